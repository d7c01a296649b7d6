// Every layout in a browser: a page that finds its services as ClearML's web UI does, against servers with their
// defaults. What is shown: the page reaches API and files, a login is good for images of the file server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, startVisit } from './support.js';

// All below localhost, so that browsers find them and one local CA covers them.
const SETTINGS = {
  DOMAIN: '["clearml.localhost"]',
  SINGLE_DOMAIN: '["localhost"]',
  HOSTS__APP: '["ml.corp.localhost", "ml.localhost"]',
  HOSTS__API: '["ml-api.corp.localhost", "ml-api.localhost"]',
  HOSTS__FILES: '["ml-files.corp.localhost", "ml-files.localhost"]',
  LISTENERS__HTTPS__BIND: '["127.0.0.1:0"]',
  LISTENERS__HTTP__BIND: '["127.0.0.1:0"]',
};

// The demo's key, src/standin/token.rs.
const LOGIN = `Basic ${btoa('CLEARWAYDEMO0000ACCESSKEY:clearway-demo-secret-key')}`;

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

let visit, demo, browser;

before(async () => {
  visit = await startVisit(SETTINGS);
  ({ demo, browser } = visit);
});

after(async () => {
  await visit?.close();
});

/** Logs in as the UI does, uploads an image as a report does, and says which of `sources` show it. */
async function loginAndShow(page, name, sources) {
  return page.evaluate(
    async ([login, pixel, name, sources]) => {
      const api = document.documentElement.dataset.api;
      const options = { method: 'POST', credentials: 'include', headers: { Authorization: login }, body: '{}' };
      const answer = await fetch(`${api}/v999.0/auth.login`, options);
      const bytes = Uint8Array.from(atob(pixel), (character) => character.charCodeAt(0));
      const form = new FormData();
      form.append(name, new Blob([bytes], { type: 'image/png' }), name);
      const upload = await fetch('/files/', { method: 'POST', body: form });
      const shown = sources.map((source) => new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve(true);
        image.onerror = () => resolve(false);
        image.src = `${source}/${name}`;
      }));
      return { login: answer.status, upload: upload.status, shown: await Promise.all(shown) };
    },
    [LOGIN, PIXEL, name, sources],
  );
}

const LAYOUTS = [
  // [app, api as the UI calls it, api as people are shown it, files, whether images of the file server's host load]
  ['app.clearml.localhost', 'api.clearml.localhost', 'api.clearml.localhost', 'files.clearml.localhost', true],
  ['localhost', 'localhost/api', 'localhost/api', 'localhost/files', true],
  ['ml.corp.localhost', 'ml-api.corp.localhost', 'ml-api.corp.localhost', 'ml-files.corp.localhost', true],
  // No common parent, so no common cookie: the login is made below the app host, and images load from there.
  ['ml.localhost', 'ml.localhost/api', 'ml-api.localhost', 'ml-files.localhost', false],
];

for (const [app, calls, api, files, direct] of LAYOUTS) {
  test(`the UI works on ${app}`, async () => {
    const url = (name) => `https://${name.replace(/(\/|$)/, `:${demo.ports.https}$1`)}`;
    const { page, document, complaints } = await open(browser, `${url(app)}/`);
    assert.equal(document.status(), 200);
    const found = await page.evaluate(() => ({ ...document.documentElement.dataset }));
    assert.deepEqual(found, { state: 'ok', api: url(calls), files: url(files), shownApi: url(api), shownFiles: url(files) });
    assert.deepEqual(complaints, []);
    const sources = [`${url(app)}/files`, url(files)];
    const seen = await loginAndShow(page, `report/${app}.png`, sources);
    assert.deepEqual(seen, { login: 200, upload: 200, shown: [true, direct] });
    await page.close();
  });
}

test('an old login of one host beside the new one does not lock anybody out', async () => {
  const port = demo.ports.https;
  const [app, api, files] = ['app', 'api', 'files'].map((name) => `https://${name}.clearml.localhost:${port}`);
  await browser.clearCookies();
  // As an earlier set-up without the repair left it.
  await browser.addCookies([{ name: 'clearml_token_basic', value: 'stale', url: `${api}/` }]);
  const { page } = await open(browser, `${app}/`);
  const seen = await loginAndShow(page, 'report/again.png', [files]);
  assert.deepEqual(seen, { login: 200, upload: 200, shown: [true] });
  const cookies = (await browser.cookies(`${api}/`)).filter(({ name }) => name === 'clearml_token_basic');
  assert.deepEqual(cookies.map(({ domain, secure, httpOnly }) => ({ domain, secure, httpOnly })), [
    { domain: '.clearml.localhost', secure: true, httpOnly: true },
  ]);
  const status = await page.evaluate(async (url) => {
    const answer = await fetch(`${url}/v999.0/users.get_current_user`, { method: 'POST', credentials: 'include', body: '{}' });
    return answer.status;
  }, api);
  assert.equal(status, 200);
  await page.close();
});
