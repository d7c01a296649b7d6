// A person's first minute with the demo: the page opens over https, its script reaches the API, http leads to https.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, startBrowser, startVisit } from './support.js';

const DOMAIN = 'clearml.localhost';
let visit, demo, browser, app, api;

before(async () => {
  visit = await startVisit();
  ({ demo, browser } = visit);
  app = `https://app.${DOMAIN}:${demo.ports.https}`;
  api = `https://api.${DOMAIN}:${demo.ports.https}`;
});

after(async () => {
  await visit?.close();
});

test('the page opens over HTTP/2 with the local CA trusted', async () => {
  const { page, document, protocols, complaints } = await open(browser, `${app}/`);
  assert.equal(document.status(), 200);
  assert.equal(protocols.get(`${app}/`), 'h2');
  assert.equal((await document.securityDetails()).protocol, 'TLS 1.3');
  assert.notEqual((await page.title()).trim(), '');
  await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
  assert.deepEqual(complaints, []);
});

test('its script reaches the API across origins', async () => {
  const { answers, protocols, complaints } = await open(browser, `${app}/`);
  const calls = answers.filter((answer) => answer.url().startsWith(`${api}/`));
  assert.ok(calls.length > 0, 'the page called no API');
  for (const call of calls) {
    assert.equal(call.status(), 200, call.url());
    assert.equal((await call.request().allHeaders()).origin, app, call.url());
    assert.equal((await call.allHeaders())['access-control-allow-origin'], app, call.url());
    assert.equal(protocols.get(call.url()), 'h2', call.url());
  }
  assert.deepEqual(complaints, []);
});

test('plain http leads to https, with path and query', async () => {
  const path = '/?from=plain%20http';
  const { document } = await open(browser, `http://app.${DOMAIN}:${demo.ports.http}${path}`);
  assert.equal(document.url(), `${app}${path}`);
  assert.equal(document.status(), 200);
  const redirect = await document.request().redirectedFrom()?.response();
  assert.equal(redirect?.status(), 308);
});

test('every answer that the browser got has its line in the access log', async () => {
  const { answers } = await open(browser, `http://app.${DOMAIN}:${demo.ports.http}/?recorded`);
  const lines = [];
  for (const answer of answers) {
    const id = (await answer.allHeaders())['x-request-id'];
    const line = await demo.record(({ request_id }) => request_id === id);
    assert.equal(line?.host, new URL(answer.url()).host, `${answer.url()} with the id ${id}`);
    lines.push(line);
  }
  assert.ok(lines.some(({ listener, status }) => listener === 'http' && status === 308));
  assert.ok(lines.some(({ service, listener }) => service === 'app' && listener === 'https'));
  assert.ok(lines.some(({ service, target, client }) => service === 'api' && target && client === '127.0.0.1'));
});

test('a browser without the CA refuses the page', async () => {
  const stranger = await startBrowser(visit.folder);
  try {
    await assert.rejects(open(stranger, `${app}/`), /ERR_CERT_AUTHORITY_INVALID/);
  } finally {
    await stranger.close();
  }
});
