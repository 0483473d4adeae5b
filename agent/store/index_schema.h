/*
 * The index's tables. A record is in one of two families of indexes: those
 * over requests (type 1), which are most records, and those over everything
 * else, which is what people ask for. So no question wades through requests,
 * and each record pays for one family only.
 */
#pragma once

#define NOT_REQUEST "type<>1"
#define IS_REQUEST "type=1"

#define BOTH_BY(column)							\
	"CREATE INDEX event_" column " ON record(" column ")"		\
	" WHERE " NOT_REQUEST " AND " column " IS NOT NULL;"		\
	"CREATE INDEX request_" column " ON record(" column ")"		\
	" WHERE " IS_REQUEST " AND " column " IS NOT NULL;"

#define DOC_BY(column)							\
	"CREATE INDEX doc_" column " ON doc(kind," column ",id)"	\
	" WHERE " column " IS NOT NULL;"

#define INDEX_SCHEMA							\
	"CREATE TABLE meta(one INTEGER PRIMARY KEY, seq INTEGER,"	\
	" off INTEGER, leaf BLOB);"					\
	"INSERT INTO meta VALUES(1,0,0,zeroblob(32));"			\
	"CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT UNIQUE);"	\
	"INSERT INTO name VALUES(1,'request');"				\
	"CREATE TABLE record(seq INTEGER PRIMARY KEY, off INTEGER,"	\
	" len INTEGER, ts INTEGER, type INTEGER, actor INTEGER,"	\
	" corr INTEGER, task INTEGER, run INTEGER, status INTEGER);"	\
	"CREATE INDEX event_seq ON record(seq) WHERE " NOT_REQUEST ";"	\
	"CREATE INDEX event_type ON record(type) WHERE " NOT_REQUEST ";"	\
	"CREATE INDEX event_type_actor ON record(type,actor) WHERE "	\
	NOT_REQUEST " AND actor IS NOT NULL;"				\
	BOTH_BY("actor") BOTH_BY("corr") BOTH_BY("task") BOTH_BY("run")	\
	BOTH_BY("status")						\
	"CREATE TABLE doc(n INTEGER PRIMARY KEY, kind INTEGER, id TEXT,"	\
	" back TEXT, seq INTEGER, state INTEGER, task INTEGER,"		\
	" run INTEGER, corr INTEGER, ref INTEGER, title TEXT);"		\
	"CREATE UNIQUE INDEX doc_id ON doc(kind,id);"			\
	"CREATE INDEX doc_back ON doc(kind,back);"			\
	DOC_BY("state") DOC_BY("task") DOC_BY("run") DOC_BY("corr")	\
	DOC_BY("ref")							\
	"CREATE TABLE text(n INTEGER PRIMARY KEY, doc TEXT);"
