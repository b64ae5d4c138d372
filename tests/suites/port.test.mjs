// SPDX-License-Identifier: MIT
import assert from 'node:assert';
import test from 'node:test';

test('a dead port refuses a request', async () => {
  await assert.rejects(fetch('http://127.0.0.1:50000/'), (error) => error.cause.code === 'ECONNREFUSED');
});
