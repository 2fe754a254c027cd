// http_node.js - the usual memory cache in JavaScript: a Map from path to body, found for each request.
//
//     node http_node.js BODY_FILE
//
// Prints the address. What bench/cache.py measures the server's first tier beside.
'use strict';
const http = require('http');
const fs = require('fs');

const body = fs.readFileSync(process.argv[2]);
const kept = new Map();

const server = http.createServer((request, response) => {
  let entry = kept.get(request.url);
  if (!entry || entry.until < Date.now()) {
    entry = { body, until: Date.now() + 300000 };
    kept.set(request.url, entry);
  }
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': entry.body.length });
  response.end(entry.body);
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
