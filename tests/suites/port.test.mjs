// SPDX-License-Identifier: MIT
import assert from 'node:assert';
import net from 'node:net';
import test from 'node:test';

test('a dead port refuses a request', async () => {
  await assert.rejects(fetch('http://127.0.0.1:50000/'), (error) => error.cause.code === 'ECONNREFUSED');
});

test('a dead port refuses a connection', (t, done) => {
  const client = net.connect(50000, '127.0.0.1');
  client.on('connect', () => {
    client.destroy();
    done(new Error('connected'));
  });
  client.on('error', (error) => done(error.code === 'ECONNREFUSED' ? undefined : error));
});
