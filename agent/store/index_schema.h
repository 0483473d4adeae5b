/*
 * The index's tables. Requests, which are most records, have one of their
 * own, and so has everything else, which is what people ask for: no question
 * wades through requests.
 *
 * A record's row is found by its seq. What leads there from elsewhere:
 *
 *   link   from an id's hash (correlation, task, run) to each record
 *   facet  from what is of few kinds (type, actor, status) to the blocks of
 *          256 records in which there is one; the rows of a block are read
 *   word   from the words that people read to such blocks
 *
 * link and word are kept in parts, one after the other, of 2^20 records: what
 * is added goes to the last part alone, which costs the same however long
 * the record is, and a question looks into the few parts there are.
 */
#pragma once

#define BLOCK_BITS 8
#define PART_BITS 20

#define BLOCK_OF(seq) ((seq) >> BLOCK_BITS)
#define PART_OF(seq) ((seq) >> PART_BITS)

#define RECORD_TABLE(table)						\
	"CREATE TABLE " table "(seq INTEGER PRIMARY KEY, off INTEGER,"	\
	" len INTEGER, ts INTEGER, type INTEGER, actor INTEGER,"		\
	" corr INTEGER, task INTEGER, run INTEGER, status INTEGER);"

#define DOC_BY(column)							\
	"CREATE INDEX doc_" column " ON doc(kind," column ",id)"	\
	" WHERE " column " IS NOT NULL;"

#define INDEX_SCHEMA							\
	"CREATE TABLE meta(one INTEGER PRIMARY KEY, seq INTEGER,"	\
	" off INTEGER, leaf BLOB);"					\
	"INSERT INTO meta VALUES(1,0,0,zeroblob(32));"			\
	"CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT UNIQUE);"	\
	"INSERT INTO name VALUES(1,'request');"				\
	RECORD_TABLE("request") RECORD_TABLE("event")			\
	"CREATE TABLE link(part INTEGER, hash INTEGER, at INTEGER,"	\
	" PRIMARY KEY(part,hash,at)) WITHOUT ROWID;"			\
	"CREATE TABLE facet(key INTEGER, block INTEGER,"		\
	" PRIMARY KEY(key,block)) WITHOUT ROWID;"			\
	"CREATE TABLE word(part INTEGER, word BLOB, block INTEGER,"	\
	" PRIMARY KEY(part,word,block)) WITHOUT ROWID;"			\
	"CREATE TABLE doc(n INTEGER PRIMARY KEY, kind INTEGER, id TEXT,"	\
	" back TEXT, state INTEGER, task INTEGER,"			\
	" run INTEGER, corr INTEGER, ref INTEGER, title TEXT);"		\
	"CREATE UNIQUE INDEX doc_id ON doc(kind,id);"			\
	"CREATE INDEX doc_back ON doc(kind,back);"			\
	"CREATE INDEX doc_title ON doc(kind,id,title)"			\
	" WHERE title IS NOT NULL;"					\
	DOC_BY("state") DOC_BY("task") DOC_BY("run") DOC_BY("corr")	\
	DOC_BY("ref")							\
	"CREATE TABLE text(n INTEGER PRIMARY KEY, doc TEXT, sha TEXT);"
