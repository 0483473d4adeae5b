// Another implementation's word on the record: what @sigstore/verify does to
// a transparency log's entry, its checkpoint and its inclusion. Takes the
// folder with node_modules as argument and one JSON object on stdin: {name,
// id, key, entries: [{checkpoint, index, line, hashes}]}, base64 but for name
// and checkpoint. Prints a list: "" is good, else why not.
'use strict';
const path = require('path');
const fs = require('fs');
const crypto = require('crypto');

const from = path.join(process.argv[2], 'node_modules/@sigstore/verify/dist');
const { verifyCheckpoint } = require(path.join(from, 'tlog/checkpoint.js'));
const { verifyMerkleInclusion } = require(path.join(from, 'tlog/merkle.js'));
const bytes = (text) => Buffer.from(text, 'base64');

const asked = JSON.parse(fs.readFileSync(0, 'utf8'));
const logs = [{
	logID: bytes(asked.id),
	baseURL: asked.name,
	publicKey: crypto.createPublicKey({
		key: bytes(asked.key), format: 'der', type: 'spki',
	}),
}];

function check(e) {
	const entry = {
		canonicalizedBody: bytes(e.line),
		inclusionProof: {
			logIndex: e.index,
			hashes: e.hashes.map(bytes),
			checkpoint: { envelope: e.checkpoint },
		},
	};
	try {
		verifyMerkleInclusion(entry, verifyCheckpoint(entry, logs));
		return '';
	} catch (why) {
		return why.message || 'refused';
	}
}

console.log(JSON.stringify(asked.entries.map(check)));
