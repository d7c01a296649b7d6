// The dashboard: follows the feed and shows it. Whatever comes over the network is put in as text, never as markup.
// It only reads; the proxy has nothing here that could be changed.

const SERVICES = [['app', 'Web UI'], ['api', 'API server'], ['files', 'File server']];
const STALE_MS = 5_000;
const RETRY_MS = 2_000;
const NOW_SECONDS = 5;
const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);

// ---- Words -------------------------------------------------------------------------------------------------------

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

function rate(value) {
  return value >= 100 || value === 0 ? number.format(value) : value.toFixed(1);
}

function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function millis(value) {
  if (value === undefined || value === null) return '–';
  if (value >= 60_000) return span(value / 1000);
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`;
}

function span(seconds) {
  const [days, hours, minutes, rest] = [86_400, 3_600, 60, 1].map((unit, index) => {
    const above = [Infinity, 86_400, 3_600, 60][index];
    return Math.floor((seconds % above) / unit);
  });
  const parts = [[days, 'd'], [hours, 'h'], [minutes, 'min'], [rest, 's']];
  const first = parts.findIndex(([value]) => value > 0);
  const largest = first < 0 ? [[0, 's']] : parts.slice(first, first + 2).filter(([value]) => value > 0);
  return largest.map(([value, unit]) => `${value} ${unit}`).join(' ');
}

function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return '–';
  const today = new Date().toDateString() === at.toDateString();
  return today ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

function plural(count, word) {
  return `${number.format(count)} ${word}${count === 1 ? '' : 's'}`;
}

// ---- Elements ----------------------------------------------------------------------------------------------------

/** An element with its attributes and children; text children are text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Makes the children of `parent` follow `items`: each keeps its element, so that focus and open details stay. */
function follow(parent, items, key, make, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = before.get(name);
    before.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  before.forEach((child) => child.remove());
}

function facts(list, rows) {
  follow(list, rows.flatMap(([name, value]) => [[name, 'dt', name], [name, 'dd', value]]), ([name, tag]) => `${tag} ${name}`,
    ([, tag]) => element(tag), (node, [, , text]) => say(node, text));
}

// ---- Plots -------------------------------------------------------------------------------------------------------

const HEIGHT = 60;

/** A path through the points that are there; a point alone is a dot. */
function path(points) {
  let text = '';
  let open = false;
  points.forEach((point, index) => {
    if (point === null) {
      open = false;
    } else {
      const alone = !open && (points[index + 1] ?? null) === null;
      text += `${open ? 'L' : 'M'}${index} ${point.toFixed(2)}${alone ? 'h0.01' : ''}`;
      open = true;
    }
  });
  return text;
}

/** A plot with one line for each class in `lines`; `caption` says what the second under the pointer had, or now. */
class Plot {
  constructor(label, lines, caption) {
    this.lines = lines;
    this.caption = caption;
    this.label = label;
    this.svg = document.createElementNS(SVG, 'svg');
    this.svg.setAttribute('preserveAspectRatio', 'none');
    this.svg.setAttribute('role', 'img');
    this.paths = [...lines, 'cursor'].map((name) => {
      const line = document.createElementNS(SVG, 'path');
      line.setAttribute('class', name);
      this.svg.append(line);
      return line;
    });
    this.words = element('figcaption');
    this.figure = element('figure', { class: 'plot' }, this.words, this.svg);
    this.hovered = null;
    this.svg.addEventListener('pointermove', (event) => {
      const box = this.svg.getBoundingClientRect();
      this.hovered = (event.clientX - box.left) / box.width;
      this.describe();
    });
    this.svg.addEventListener('pointerleave', () => {
      this.hovered = null;
      this.describe();
    });
  }

  /** `values`: for each line, one value or null a second, the last one being now. */
  show(values, kept, top) {
    this.svg.setAttribute('viewBox', `0 0 ${kept - 1} ${HEIGHT}`);
    const scale = (value) => (value === null ? null : HEIGHT - 1 - (value / top) * (HEIGHT - 4));
    this.lines.forEach((name, index) => {
      const padded = Array(kept).fill(null);
      values[index].slice(-kept).forEach((value, at, all) => { padded[kept - all.length + at] = scale(value); });
      let text = path(padded);
      const first = padded.findIndex((point) => point !== null);
      if (name === 'area' && first >= 0) text += `L${kept - 1} ${HEIGHT}L${first} ${HEIGHT}Z`;
      this.paths[index].setAttribute('d', text);
    });
    this.kept = kept;
    this.describe();
  }

  describe() {
    const back = this.hovered === null ? null : Math.round((1 - this.hovered) * (this.kept - 1));
    const x = back === null ? null : this.kept - 1 - back;
    this.paths.at(-1).setAttribute('d', x === null ? '' : `M${x} 0V${HEIGHT}`);
    const words = this.caption(back);
    this.words.replaceChildren(...words);
    this.svg.setAttribute('aria-label', `${this.label}: ${this.words.textContent}`);
  }
}

/** The next round number, so that the scale does not move with every value. */
function roundUp(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= wanted);
}

// ---- What is known -----------------------------------------------------------------------------------------------

let seconds = [];
let latest = null;
let heard = 0;
let errorsOf = 'ours';
const uploadRates = new Map();

function take(feed, whole) {
  const news = feed.series.seconds;
  const last = seconds.at(-1)?.n ?? -1;
  seconds = whole || (news.length > 0 && news[0].n > last + 1) ? news : [...seconds, ...news.filter(({ n }) => n > last)];
  seconds = seconds.slice(-feed.series.kept);
  latest = feed;
  heard = performance.now();
  show();
}

/** Per second over the last seconds. */
function now(read) {
  const recent = seconds.slice(-NOW_SECONDS);
  const length = recent.reduce((sum, { ms }) => sum + ms, 0);
  return length > 0 ? (recent.reduce((sum, second) => sum + read(second), 0) * 1000) / length : 0;
}

function ofAll(second, read) {
  return ['app', 'api', 'files', 'none'].reduce((sum, name) => sum + read(second[name]), 0);
}

/** Requests that failed in the last minute. */
function failedLately() {
  return seconds.slice(-60).reduce((sum, second) => sum + ofAll(second, (line) => line.failed), 0);
}

// ---- The parts of the page ---------------------------------------------------------------------------------------

function show() {
  const { headline, status } = latest;
  document.body.dataset.mood = headline.mood;
  say(byId('headline'), headline.text);
  document.title = `${headline.text} – Clearway`;
  const notes = headline.notes.length > 0 ? headline.notes : [calm()];
  follow(byId('notes'), notes.map((text, index) => ({ text, index })), ({ index }) => index, () => element('li'), (node, { text }) => say(node, text));
  say(byId('about'), `${status.version} on ${location.hostname}, ${status.state} for ${span(status.uptime_seconds)}`);
  showServices();
  showUploads();
  showFigures();
  showErrors();
  showBusiest();
  showCertificates();
  showProxy();
  showLink();
}

function calm() {
  const failed = failedLately();
  return failed === 0 ? 'All services answer, and no request has failed in the last minute.' : `${plural(failed, 'request')} failed in the last minute.`;
}

function showFigures() {
  const failed = failedLately();
  const { status, uploads } = latest;
  const speed = [...uploadRates.values()].reduce((sum, upload) => sum + upload.speed, 0);
  const [half] = seconds.findLast((second) => second.api.quantiles_ms)?.api.quantiles_ms ?? [];
  const rows = [
    ['Requests a second', rate(now((second) => ofAll(second, (line) => line.requests)))],
    ['Failed, last minute', number.format(failed), failed > 0 ? 'bad' : ''],
    ['In flight', number.format(status.requests)],
    ['Connections', number.format(status.connections)],
    ['Half of API calls within', millis(half)],
    ['Uploads', uploads.count > 0 ? `${number.format(uploads.count)} · ${bytes(speed)}/s` : '0'],
  ];
  follow(byId('figures'), rows, ([name]) => name, ([name]) => element('div', {}, element('dt', {}, name), element('dd')), (node, [, value, tone]) => {
    say(node.lastElementChild, value);
    node.lastElementChild.className = tone ?? '';
  });
}

const cards = new Map();

function card(name, title) {
  const at = (back) => (back === null ? null : seconds[seconds.length - 1 - back]);
  const when = (back) => (back === null ? '' : `, ${back} s ago`);
  const requests = new Plot(`${title}, requests`, ['area', 'requests', 'failed'], (back) => {
    const second = at(back);
    const read = (pick) => (second ? (pick(second[name]) * 1000) / second.ms : back === null ? now((one) => pick(one[name])) : 0);
    const failed = read((line) => line.failed);
    const left = element('span', {}, element('b', {}, rate(read((line) => line.requests))), ` requests a second${when(back)}`);
    return [left, element('span', failed > 0 ? { class: 'bad' } : {}, `${rate(failed)} failed`)];
  });
  const times = new Plot(`${title}, times`, ['most', 'half'], (back) => {
    const second = back === null ? seconds.findLast((one) => one[name].quantiles_ms) : at(back);
    const [half, most] = second?.[name].quantiles_ms ?? [];
    return [
      element('span', {}, element('span', { class: 'key' }), 'half within ', element('b', {}, millis(half)), when(back)),
      element('span', {}, element('span', { class: 'key soft' }), '95 % within ', element('b', {}, millis(most))),
    ];
  });
  const note = element('span', { class: 'count' });
  const targets = element('ul', { class: 'targets', 'aria-label': `Targets of the ${title}` });
  const node = element('article', { class: 'service', 'aria-label': title },
    element('div', { class: 'head' }, element('h2', {}, title), note), requests.figure, times.figure, targets);
  return { node, requests, times, note, targets };
}

function showServices() {
  for (const [name, title] of SERVICES) {
    if (!cards.has(name)) {
      cards.set(name, card(name, title));
      byId('services').append(cards.get(name).node);
    }
    const { requests, times, note, targets } = cards.get(name);
    const kept = latest.series.kept;
    const counts = seconds.map((second) => (second[name].requests * 1000) / second.ms);
    const failed = seconds.map((second) => (second[name].failed > 0 ? (second[name].failed * 1000) / second.ms : null));
    requests.show([counts, counts, failed], kept, roundUp(Math.max(0, ...counts), 5));
    const half = seconds.map((second) => second[name].quantiles_ms?.[0] ?? null);
    const most = seconds.map((second) => second[name].quantiles_ms?.[1] ?? null);
    times.show([most, half], kept, roundUp(Math.max(0, ...most.filter((value) => value !== null)), 5));
    const view = latest.status.services.find((service) => service.name === name);
    say(note, notesOf(view).join(', '));
    showTargets(targets, view?.targets ?? []);
  }
}

function notesOf(service) {
  const notes = [];
  if (service?.maintenance) notes.push(`closed for maintenance since ${moment(service.maintenance.since)}`);
  if (service?.waiting > 0) notes.push(`${plural(service.waiting, 'request')} waiting`);
  return notes.length > 0 ? notes : [`last ${span(latest.series.kept)}`];
}

function toneOf(state) {
  if (state === 'up' || state === 'warming') return 'well';
  return state === 'drained' ? 'closed' : '';
}

function showTargets(list, targets) {
  follow(list, targets, ({ address }) => address, (target) => {
    const head = element('div', { class: 'head' }, element('code', {}, target.address), element('span', { class: 'pill' }));
    const past = element('details', { class: 'small' }, element('summary'), element('ul', { class: 'changes' }));
    return element('li', { class: 'target' }, head, element('p', { class: 'small' }), past);
  }, (node, target) => {
    const [head, words, past] = node.children;
    say(head.lastElementChild, target.state);
    head.lastElementChild.className = `pill ${toneOf(target.state)}`;
    const since = target.since ? `since ${moment(target.since)}` : '';
    say(words, [since, `${plural(target.outstanding, 'request')} in flight`, target.reason].filter(Boolean).join(' · '));
    const changes = target.changes ?? [];
    past.hidden = changes.length === 0;
    say(past.firstElementChild, `${plural(changes.length, 'change')} of state`);
    follow(past.lastElementChild, changes, ({ at, state }) => `${at} ${state}`, ({ at, state, reason }) =>
      element('li', {}, element('span', {}, moment(at)), element('span', { class: `pill ${toneOf(state)}` }, state), element('span', {}, reason ?? '')), () => {});
  });
}

function showUploads() {
  const { list, count } = latest.uploads;
  say(byId('uploads-count'), count > list.length ? `the oldest ${list.length} of ${number.format(count)}` : '');
  byId('uploads-none').hidden = list.length > 0;
  const ids = new Set(list.map(({ id }) => id));
  [...uploadRates.keys()].filter((id) => !ids.has(id)).forEach((id) => uploadRates.delete(id));
  follow(byId('uploads'), list, ({ id }) => id, (upload) => {
    const bar = element('progress', { 'aria-label': `Upload of ${upload.path}` });
    return element('li', { class: 'upload' },
      element('div', { class: 'head' }, element('code', {}, upload.path), element('span', { class: 'share' })), bar, element('p', { class: 'small' }));
  }, (node, upload) => {
    const [head, bar, words] = node.children;
    if (upload.length) {
      bar.max = upload.length;
      bar.value = upload.bytes;
    }
    say(head.lastElementChild, shareOf(upload));
    const sender = upload.worker ? `${upload.worker} at ${upload.client}` : upload.client;
    say(words, [`from ${sender}`, upload.action ?? upload.service, `for ${span(upload.seconds)}`, progressOf(upload)].filter(Boolean).join(' · '));
  });
}

function shareOf({ bytes: sent, length }) {
  if (!length) return bytes(sent);
  return `${bytes(sent)} of ${bytes(length)} · ${Math.floor((sent / length) * 100)} %`;
}

/** The rate, smoothed over some news, and what it means for the rest. */
function progressOf({ id, bytes: sent, length, seconds: age }) {
  if (length && sent >= length) return 'all of it came; waiting for the answer';
  const before = uploadRates.get(id);
  let speed = age > 0 ? sent / age : 0;
  if (before && age > before.age) {
    const current = (sent - before.sent) / (age - before.age);
    speed = before.speed * 0.7 + current * 0.3;
  }
  uploadRates.set(id, { sent, age, speed });
  const left = length && speed > 0 ? `, ${span((length - sent) / speed)} left` : '';
  return `${bytes(speed)}/s${left}`;
}

function showErrors() {
  const list = latest.errors[errorsOf];
  byId('errors-none').hidden = list.length > 0;
  follow(byId('errors'), list, ({ id, at }) => `${errorsOf} ${at} ${id}`, (request) => {
    const summary = element('summary', {}, element('span', { title: request.at }, moment(request.at)),
      element('span', { class: `pill ${request.side === 'client' ? 'plain' : request.side === 'proxy' ? 'look' : ''}` }, request.side ?? '–'),
      element('b', {}, String(request.status)), element('code', {}, request.action ?? request.path),
      element('span', { class: 'what' }, request.explanation ?? ''));
    const list = element('dl', { class: 'facts' });
    facts(list, rowsOf(request));
    return element('li', { class: 'error' }, element('details', {}, summary, list));
  }, () => {});
}

function rowsOf(request) {
  const times = [['queue', request.queue_ms], ['connect', request.connect_ms], ['first byte', request.first_byte_ms], ['in all', request.total_ms]];
  const who = [request.client, request.worker, request.client_version ?? request.program].filter(Boolean).join(', ');
  return [
    ['Request', `${request.method} ${request.host}${request.path} (${request.protocol})`],
    ['What', request.explanation ?? '–'],
    ['Fault', [request.fault, request.side && `by the ${request.side}`].filter(Boolean).join(', ') || '–'],
    ['Service', [request.service, request.target].filter(Boolean).join(' at ') || '–'],
    ['Client', who],
    ['Times', times.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => `${name} ${millis(value)}`).join(' · ')],
    ['Bytes', `${bytes(request.bytes_in)} in, ${bytes(request.bytes_out)} out`],
    ['Id', request.id],
  ];
}

function showBusiest() {
  const { actions, workers } = latest.busiest;
  table('actions', actions, ({ quantiles_ms: quantiles }) => [millis(quantiles?.[0]), millis(quantiles?.[1])]);
  table('workers', workers, ({ bytes_in: sent, bytes_out: received }) => [bytes(sent), bytes(received)]);
}

function table(id, rows, rest) {
  byId(`${id}-none`).hidden = rows.length > 0;
  follow(byId(id), rows, ({ name }) => name, ({ name }) =>
    element('tr', {}, element('th', { scope: 'row', title: name }, name), ...Array.from({ length: 4 }, () => element('td'))), (node, row) => {
    const values = [number.format(row.requests), number.format(row.failed), ...rest(row)];
    values.forEach((value, index) => say(node.children[index + 1], value));
    node.children[2].className = row.failed > 0 ? 'bad' : '';
  });
}

function showCertificates() {
  follow(byId('certificates'), latest.status.certificates, ({ file }) => file, () => {
    const head = element('div', { class: 'head' }, element('b'), element('span', { class: 'pill' }));
    return element('li', {}, head, element('p', { class: 'small' }));
  }, (node, certificate) => {
    const [head, words] = node.children;
    const days = certificate.days_left;
    say(head.firstElementChild, certificate.names.join(', '));
    say(head.lastElementChild, days < 0 ? 'expired' : `${plural(days, 'day')} left`);
    head.lastElementChild.className = `pill ${days >= 30 ? 'well' : days >= 14 ? 'look' : ''}`;
    say(words, [`until ${new Date(certificate.not_after).toLocaleDateString()}`, certificate.file, ...certificate.warnings].join(' · '));
  });
}

function showProxy() {
  const { status } = latest;
  const reload = status.last_reload;
  const outcome = reload && (reload.ok ? `took effect (${reload.changed.length > 0 ? reload.changed.join(', ') : 'nothing changed'})` : `refused: ${reload.problems.map(({ problem }) => problem).join('; ')}`);
  facts(byId('proxy'), [
    ['Last reload', reload ? `${moment(reload.at)} by ${reload.trigger}, ${outcome}` : 'none since the start'],
    ['Listening', status.listeners.map(({ kind, address }) => `${kind} ${address}`).join(', ')],
    ['Connections', `${number.format(status.connections)} of clients, ${number.format(status.pooled_connections)} idle to targets, ${plural(status.tunnels, 'tunnel')}`],
    ['Workers', `${plural(status.workers, 'thread')}, process ${status.pid}`],
    ['Up', span(status.uptime_seconds)],
  ]);
}

for (const kind of ['ours', 'clients']) {
  byId(`errors-${kind}`).addEventListener('click', () => {
    errorsOf = kind;
    for (const other of ['ours', 'clients']) byId(`errors-${other}`).setAttribute('aria-pressed', String(other === kind));
    if (latest) showErrors();
  });
}

// ---- The feed ----------------------------------------------------------------------------------------------------

let problem = '';

function showLink() {
  const age = performance.now() - heard;
  const stale = latest === null || age > STALE_MS;
  document.body.dataset.link = stale ? (latest ? 'stale' : 'waiting') : 'live';
  const since = latest ? `no news for ${span(age / 1000)}` : 'connecting';
  say(byId('link'), stale ? [since, problem].filter(Boolean).join(': ') : 'live');
}

function listen() {
  const source = new EventSource('feed/events');
  const hear = (whole) => ({ data }) => {
    problem = '';
    take(JSON.parse(data), whole);
  };
  source.addEventListener('snapshot', hear(true));
  source.addEventListener('news', hear(false));
  source.addEventListener('error', () => {
    source.close();
    setTimeout(again, RETRY_MS);
  });
}

/** After a break: asks once, which says what is wrong, and follows again. */
async function again() {
  try {
    const answer = await fetch('feed', { signal: AbortSignal.timeout(RETRY_MS) });
    if (answer.ok) take(await answer.json(), true);
    else problem = `the proxy answered ${answer.status}`;
  } catch {
    problem = 'the proxy does not answer';
  }
  showLink();
  listen();
}

setInterval(showLink, 1_000);
listen();
