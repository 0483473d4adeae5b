/*
 * The index's tables. Requests, which are most records, have one of their
 * own, and so has everything else, which is what people ask for: no question
 * wades through requests, and neither pays for the other's indexes.
 */
#pragma once

#define RECORD_TABLE(table)						\
	"CREATE TABLE " table "(seq INTEGER PRIMARY KEY, off INTEGER,"	\
	" len INTEGER, ts INTEGER, type INTEGER, actor INTEGER,"		\
	" corr INTEGER, task INTEGER, run INTEGER, status INTEGER);"	\
	RECORD_BY(table, "actor") RECORD_BY(table, "corr")		\
	RECORD_BY(table, "task") RECORD_BY(table, "run")			\
	"CREATE INDEX " table "_status ON " table "(status) WHERE "	\
	STATUS_RARE ";"

#define RECORD_BY(table, column)						\
	"CREATE INDEX " table "_" column " ON " table "(" column ")"	\
	" WHERE " column " IS NOT NULL;"

/* A walk over all finds the other ones soon enough. */
#define STATUS_RARE "status>=400"

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
	"CREATE INDEX event_type ON event(type);"			\
	"CREATE INDEX event_type_actor ON event(type,actor)"		\
	" WHERE actor IS NOT NULL;"					\
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
