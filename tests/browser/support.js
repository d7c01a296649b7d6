// The proxy's process and the browser's, each with folders of its own that are gone afterwards.

import { execFileSync, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const READY_MS = 30_000;
const STOP_MS = 20_000;
// Lines of the access log are handed on once a second.
const RECORD_MS = 10_000;

export function temporaryFolder() {
  return mkdtempSync(join(tmpdir(), 'clearway-browser-'));
}

/** Starts `clearway run --demo` on free ports and waits until it says that it is ready; with `settings`, as variables. */
function startDemo(folder, settings) {
  return start(folder, ['run', '--demo', ...(settings ? [] : ['--https-port', '0', '--http-port', '0'])], settings);
}

/** Starts the proxy with `settings` as variables, and waits until it says that it is ready. */
export async function start(folder, parameters, settings) {
  const authority = join(folder, 'ca');
  const configuration = join(folder, 'config');
  mkdirSync(configuration, { recursive: true });
  const child = spawn(process.env.CLEARWAY_BIN, parameters, {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      CLEARML_CONFIG_DIR: configuration,
      CLEARML__PROXY__CERTIFICATE_FOLDER: JSON.stringify(authority),
      CLEARML__PROXY__LOG__FORMAT: 'json',
      ...Object.fromEntries(Object.entries(settings ?? {}).map(([name, value]) => [`CLEARML__PROXY__${name}`, value])),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const output = [];
  const records = [];
  const stdout = createInterface({ input: child.stdout });
  stdout.on('line', (line) => {
    output.push(line);
    if (line.startsWith('{')) records.push(JSON.parse(line));
  });

  const ports = {};
  const ready = new Promise((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      output.push(line);
      const event = line.startsWith('{') ? JSON.parse(line) : {};
      if (event.message === 'listening') ports[event.listener] ??= Number(event.address.split(':').at(-1));
      if (event.message === 'ready') resolve(true);
    });
  });
  const started = await Promise.race([ready, exited, timer(READY_MS)]);
  if (started !== true) {
    child.kill('SIGKILL');
    throw new Error(`the proxy did not become ready:\n${output.join('\n')}`);
  }

  return {
    ports,
    /** The line of the access log that fits, as soon as it is there; `undefined` when it does not come. */
    record: async (fits) => {
      const late = timer(RECORD_MS).then(() => true);
      for (;;) {
        const found = records.find(fits);
        if (found || (await Promise.race([once(stdout, 'line').then(() => false), late]))) return found;
      }
    },
    authority: () => certificateAuthority(authority),
    stop: async () => {
      child.kill('SIGTERM');
      const ended = await Promise.race([exited, timer(STOP_MS)]);
      child.kill('SIGKILL');
      if (ended?.[0] !== 0) throw new Error(`the proxy did not stop with 0 (${ended}):\n${output.join('\n')}`);
    },
  };
}

/** A timer that does not keep the process alive; gives `undefined`. */
function timer(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

/** The file of the CA that the demo made: the one certificate that may sign others. */
function certificateAuthority(folder) {
  const files = readdirSync(folder, { recursive: true }).map((name) => join(folder, name.toString()));
  const found = files.filter((file) => {
    const text = file.endsWith('.pem') || file.endsWith('.crt') ? readFileSync(file, 'utf8') : '';
    return text.startsWith('-----BEGIN CERTIFICATE') && new X509Certificate(text).ca;
  });
  if (found.length !== 1) throw new Error(`one CA file was expected among ${files}`);
  return found[0];
}

/** A browser with an empty profile; it trusts `authority` as a user's own import would make it. */
export async function startBrowser(folder, authority) {
  const home = join(folder, authority ? 'home-trusting' : 'home');
  const store = join(home, '.pki', 'nssdb');
  mkdirSync(store, { recursive: true });
  const certutil = (...args) => execFileSync('certutil', ['-d', `sql:${store}`, ...args]);
  certutil('-N', '--empty-password');
  if (authority) certutil('-A', '-n', 'clearway', '-t', 'C,,', '-i', authority);
  return chromium.launchPersistentContext(join(home, 'profile'), {
    executablePath: process.env.CHROMIUM,
    env: { ...process.env, HOME: home },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** The demo, with `settings` as variables, and a browser that trusts its CA; `close` ends both and removes their files. */
export async function startVisit(settings) {
  const visit = { folder: temporaryFolder() };
  visit.close = async () => {
    await visit.browser?.close();
    try {
      await visit.demo?.stop();
    } finally {
      removeFolder(visit.folder);
    }
  };
  try {
    visit.demo = await startDemo(visit.folder, settings);
    visit.browser = await startBrowser(visit.folder, visit.demo.authority());
  } catch (error) {
    await visit.close();
    throw error;
  }
  return visit;
}

/** Opens `url` and gives the page with all that went over the wire or into the console meanwhile; a page that never
 * stops to listen is `load`ed only. */
export async function open(browser, url, waitUntil = 'networkidle') {
  const page = await browser.newPage();
  const seen = { page, complaints: [], answers: [], protocols: new Map() };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') seen.complaints.push(message.text());
  });
  page.on('pageerror', (error) => seen.complaints.push(String(error)));
  page.on('requestfailed', (request) => seen.complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('response', (response) => seen.answers.push(response));
  const network = await browser.newCDPSession(page);
  await network.send('Network.enable');
  network.on('Network.responseReceived', ({ response }) => seen.protocols.set(response.url, response.protocol));
  seen.document = await page.goto(url, { waitUntil });
  return seen;
}

export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
