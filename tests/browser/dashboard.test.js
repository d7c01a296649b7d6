// The dashboard over the admin listener of a real proxy, while requests pass: what it says, that it says it by itself,
// and that nothing a client sends becomes part of the page.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { open, removeFolder, start, startBrowser, temporaryFolder } from './support.js';

const DOMAIN = 'clearml.localhost';
// Generous: the page is told once a second, on a machine that may be busy.
const SOON = { timeout: 30_000 };
const MIB = 1 << 20;

let folder, proxy, browser, origin, page, complaints, authority;

/** ClearML's three services in one: answers calls, takes uploads, breaks off what is asked to fail. */
function services() {
  const server = http.createServer((request, response) => {
    if (request.url.includes('tasks.edit')) return request.socket.destroy();
    if (request.url.includes('tasks.stop')) response.statusCode = 500;
    request.resume().on('end', () => response.end('{}'));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function settings(admin) {
  const target = JSON.stringify([`127.0.0.1:${origin.address().port}`]);
  return {
    DOMAIN: JSON.stringify(DOMAIN),
    LISTENERS__HTTPS__BIND: '["127.0.0.1:0"]',
    LISTENERS__HTTP__BIND: '["127.0.0.1:0"]',
    ADMIN__LISTEN: JSON.stringify([`127.0.0.1:${admin}`]),
    ADMIN__SOCKET: JSON.stringify(join(folder, 'admin.sock')),
    PROTECTION__DEFAULT_KEYS__CHECK: 'false',
    HEALTH__ENABLED: 'false',
    ...Object.fromEntries(['APP', 'API', 'FILES'].map((name) => [`SERVICES__${name}__TARGETS`, target])),
  };
}

/** A request through the proxy that is not ended yet. */
function begin(service, path, headers = {}, method = 'POST') {
  const host = `${service}.${DOMAIN}`;
  const options = { host: '127.0.0.1', port: proxy.ports.https, servername: host, ca: authority, agent: false, method, path };
  return https.request({ ...options, headers: { host, ...headers } });
}

async function ask(service, path, headers = {}) {
  const request = begin(service, path, headers).end('{}');
  const [response] = await once(request, 'response');
  await once(response.resume(), 'end');
  return response;
}

before(async () => {
  folder = temporaryFolder();
  origin = await services();
  proxy = await start(folder, ['run'], settings(0));
  authority = readFileSync(proxy.authority());
  browser = await startBrowser(folder);
  ({ page, complaints } = await open(browser, `http://127.0.0.1:${proxy.ports.admin}/`, 'load'));
  page.setDefaultTimeout(SOON.timeout);
});

after(async () => {
  await browser?.close();
  try {
    await proxy?.stop();
  } finally {
    origin?.close();
    removeFolder(folder);
  }
});

const says = (selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor();

test('it says at once that ClearML is well, and is live', async () => {
  await says('#headline', 'ClearML is well');
  await says('#link', 'live');
  assert.equal(await page.title(), 'ClearML is well – Clearway');
  assert.equal(await page.locator('article.service').count(), 3);
  await says('article[aria-label="API server"] .pill', 'up');
  await says('#certificates li', `app.${DOMAIN}`);
  await says('#certificates .pill', 'days left');
  await says('#proxy dd', 'none since the start');
});

test('requests appear by themselves, by action and by worker', async () => {
  const headers = { 'x-clearml-worker': 'trainer-7:gpu0', 'x-clearml-client': 'clearml-2.0.2' };
  await Promise.all(Array.from({ length: 12 }, () => ask('api', '/v2.30/tasks.get_all', headers)));
  const row = page.locator('#actions tr').filter({ hasText: 'tasks.get_all' });
  await row.waitFor();
  await page.waitForFunction(() => document.querySelector('#actions td')?.textContent === '12', null, SOON);
  assert.match(await row.locator('td').nth(2).textContent(), /ms$/);
  await says('#workers th', 'trainer-7:gpu0');
  const drawn = () => document.querySelector('article[aria-label="API server"] path.requests').getAttribute('d').length > 10;
  await page.waitForFunction(drawn, null, SOON);
});

test('an upload is shown while it is under way', async () => {
  const upload = begin('files', '/project/model.bin', { 'content-length': String(8 * MIB) });
  const answered = once(upload, 'response');
  upload.write(Buffer.alloc(4 * MIB));
  await says('#uploads code', '/project/model.bin');
  const progress = page.locator('#uploads progress');
  await page.waitForFunction((half) => document.querySelector('#uploads progress')?.value === half, 4 * MIB, SOON);
  assert.equal(await progress.evaluate((bar) => bar.max), 8 * MIB);
  await says('#uploads .share', '4.0 MiB of 8.0 MiB · 50 %');
  upload.end(Buffer.alloc(4 * MIB));
  assert.equal((await answered)[0].statusCode, 200);
  await page.locator('#uploads-none').waitFor();
  assert.equal(await progress.count(), 0);
});

test('an error appears with its side, its explanation and its id', async () => {
  const broken = await ask('api', '/v2.30/tasks.edit');
  const refused = await ask('api', '/v2.30/tasks.stop');
  assert.deepEqual([broken.statusCode, refused.statusCode], [502, 500]);
  const entry = page.locator('#errors .error').filter({ hasText: 'The service closed the connection before it answered' });
  await entry.waitFor();
  assert.equal(await entry.locator('.pill').textContent(), 'target');
  await says('#errors .what', 'The API server itself answered 500.');
  await entry.locator('summary').focus();
  await page.keyboard.press('Enter');
  await entry.locator('dd').filter({ hasText: broken.headers['x-request-id'] }).waitFor();
  // It stays open and focused although news come in.
  await page.waitForFunction((n) => performance.now() > n, (await page.evaluate(() => performance.now())) + 1_500, SOON);
  assert.equal(await entry.locator('details').evaluate((details) => details.open && details.contains(document.activeElement)), true);
  await says('#notes', 'requests to the API server failed in the last minute');
});

test("a client's errors are told apart, and what it sends is text", async () => {
  const name = '<img src=x onerror=alert(1)>';
  await ask('api', `/v2.30/tasks.get_all?q=${encodeURIComponent(name)}`, { 'x-clearml-worker': name, 'x-clearml-client': 'clearml-2' });
  const gone = begin('files', `/${encodeURIComponent(name)}`, { 'content-length': String(MIB) });
  gone.on('error', () => {});
  gone.write(Buffer.alloc(1_000));
  await says('#uploads code', 'onerror');
  gone.destroy();
  await page.click('#errors-clients');
  await says('#errors .error', 'client');
  await says('#workers th', name);
  const foreign = await page.evaluate(() => document.querySelectorAll('main img, main script, main iframe').length);
  assert.equal(foreign, 0);
  await page.click('#errors-ours');
});

test('it can be read by everybody: names, keyboard, colours, phones', async () => {
  const unnamed = await page.evaluate(() => [...document.querySelectorAll('button, a, summary, progress, svg[role=img]')]
    .filter((node) => !(node.getAttribute('aria-label') ?? node.textContent).trim()).map((node) => node.outerHTML));
  assert.deepEqual(unnamed, []);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await page.evaluate(lowContrast), [], colorScheme);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 390, height: 844 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  if (process.env.SCREENSHOT) await page.screenshot({ path: join(dirname(process.env.SCREENSHOT), 'dashboard.png') });
  await page.setViewportSize({ width: 1280, height: 800 });
});

/** Texts whose colour is too near to their background's (WCAG 2: 4.5 to 1). */
function lowContrast() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parse = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, index) => (value * a + below[index] * (255 - a)) / 255);
  const light = (rgb) => rgb.map((value) => value / 255).map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (node) => {
    const chain = [];
    for (let at = node; at; at = at.parentElement) chain.unshift(parse(getComputedStyle(at).backgroundColor));
    return chain.reduce((below, colour) => over(colour, below), [255, 255, 255]);
  };
  const texts = [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility() && !node.closest('noscript, .skip') && [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
  return texts.flatMap((node) => {
    const background = behind(node);
    const text = over(parse(getComputedStyle(node).color), background);
    const [bright, dark] = [light(text), light(background)].sort((one, other) => other - one);
    const contrast = (bright + 0.05) / (dark + 0.05);
    return contrast < 4.5 ? [`${contrast.toFixed(2)} ${node.outerHTML.slice(0, 120)}`] : [];
  });
}

test('nothing was complained about, and nothing was fetched from elsewhere', async () => {
  assert.deepEqual(complaints, []);
  const hosts = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).host));
  assert.deepEqual([...new Set(hosts)], [`127.0.0.1:${proxy.ports.admin}`]);
  const answer = await page.request.get(`http://127.0.0.1:${proxy.ports.admin}/`);
  assert.doesNotMatch(answer.headers()['content-security-policy'], /unsafe|\*|data:/);
});

test('it says when the proxy is gone, and goes on when it is back', async () => {
  const { admin } = proxy.ports;
  await proxy.stop();
  await page.waitForFunction(() => document.body.dataset.link === 'stale', null, SOON);
  await says('#link', 'the proxy does not answer');
  proxy = await start(folder, ['run'], settings(admin));
  await page.waitForFunction(() => document.body.dataset.link === 'live', null, SOON);
});
