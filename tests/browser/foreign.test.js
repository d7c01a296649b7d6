// A page of somebody else in a signed-in person's browser: what it does in their name ends at the proxy.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { open, startVisit } from './support.js';

const DOMAIN = 'clearml.localhost';
let visit, demo, browser, app, api, stranger, foreign;

before(async () => {
  visit = await startVisit();
  ({ demo, browser } = visit);
  app = `https://app.${DOMAIN}:${demo.ports.https}`;
  api = `https://api.${DOMAIN}:${demo.ports.https}`;
  await browser.addCookies([
    { name: 'clearml_token_basic', value: 'x', domain: `.${DOMAIN}`, path: '/', secure: true, sameSite: 'None' },
  ]);
  stranger = createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/html');
    const action = `${api}/v2.30/tasks.delete?task=1`;
    const form = `<form method="post" action="${action}"><button>more kittens</button></form>`;
    answer.end(`<!doctype html><title>Kittens</title><a href="${action}">kittens</a>${form}`);
  });
  stranger.listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  foreign = `http://kittens.localhost:${stranger.address().port}`;
});

after(async () => {
  stranger?.closeAllConnections();
  stranger?.close();
  await visit?.close();
});

test('a link to an action gets 403', async () => {
  const { page } = await open(browser, `${foreign}/`);
  const [answer] = await Promise.all([page.waitForNavigation(), page.click('a')]);
  assert.match((await answer.request().allHeaders()).cookie, /clearml_token_basic=x/);
  assert.equal(answer.status(), 403);
  assert.equal((await answer.allHeaders())['x-fault'], 'client; cross_site');
});

test('a form that posts an action gets 403', async () => {
  const { page } = await open(browser, `${foreign}/`);
  const [answer] = await Promise.all([page.waitForNavigation(), page.click('button')]);
  assert.equal(answer.request().method(), 'POST');
  assert.match((await answer.request().allHeaders()).cookie, /clearml_token_basic=x/);
  assert.equal(answer.status(), 403);
});

test('the same call from the web UI passes the guard', async () => {
  const { page } = await open(browser, `${app}/`);
  const status = await page.evaluate(
    (url) => fetch(url, { method: 'POST', credentials: 'include', body: '{}' }).then((answer) => answer.status),
    `${api}/v2.30/tasks.get_all`,
  );
  assert.notEqual(status, 403);
});
