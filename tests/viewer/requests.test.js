// Requests: which maps start, when, and by whom they are answered.
import assert from 'node:assert/strict';
import test from 'node:test';
import {addBuiltIn, chooseModel, pick} from '../../cxr_demo/web/viewer/actions.js';
import {openExample} from '../../cxr_demo/web/viewer/example.js';
import {about, ask, askRun, askTrust, complete, connect} from '../../cxr_demo/web/viewer/requests.js';
import {keepFilms} from '../../cxr_demo/web/viewer/session.js';
import * as store from '../../cxr_demo/web/viewer/store.js';

const METHODS = ['gradcam', 'lime'].map(key => ({key, title: key, on: true, settings: []}));
const PAGE = {models: [], model: 'm', spec: {labels: ['Mass']}, methods: METHODS, opacity: 0.6,
  palettes: [{key: 'warm', title: 'warm', colours: {}}], phantoms: [], lessons: [], signatures: [[0, '89504e47']], turns: {}};
const EVENTS = {gradcam: 'run_gradcam', lime: 'run_lime'};

/** @returns the film, and the growing list of events that reach the server */
function opened(seen, page = {}) {
  store.openStore({...PAGE, ...page});
  const asked = [];
  connect({trigger: event => asked.push(event)}, {events: EVENTS, channel: 'answer'});
  const film = store.addFilm('a.png', {kind: 'file'});
  store.lookAtFilm(film);
  store.addResult(film, 'm', {labels: ['Mass'], ...seen}, {});
  return {film, asked};
}

test('the maps of a film start by themselves', () => {
  const {asked} = opened({doubted: false});
  complete();
  complete();
  assert.deepEqual(asked, ['run_gradcam', 'run_lime']);
});

test('those of a picture that is no chest film wait for the visitor', () => {
  const {film, asked} = opened({doubted: true});
  complete();
  assert.deepEqual([asked, store.waitsForRequest()], [[], true]);
  askRun(METHODS[1]);
  complete();
  assert.deepEqual(asked, ['run_lime']);
  store.requestMaps(film);
  complete();
  assert.deepEqual([asked, store.waitsForRequest()], [['run_lime', 'run_gradcam'], false]);
});

test('in a report they are there', () => {
  const {asked} = opened({doubted: true}, {signatures: []});
  complete();
  assert.deepEqual(asked, ['run_gradcam', 'run_lime']);
});

// ------------------------------------------------------------------ the example

const PHANTOM = {key: 'effusion', title: 'Effusion', finding: 'Mass'};
const RECORD = {film: {labels: ['Mass']}, run_gradcam: {method: 'gradcam'}, run_lime: {method: 'lime'}, trust: {event: 'trust'}};

/** @returns the events that reach the server with their data, and the answers from the record, both growing */
function withExample(t) {
  const document = new EventTarget();
  globalThis.document = document;
  globalThis.requestAnimationFrame = () => {};
  globalThis.sessionStorage = {setItem: (_, kept) => { globalThis.kept = JSON.parse(kept); }};
  t.after(() => { for (const name of ['document', 'requestAnimationFrame', 'sessionStorage', 'kept']) delete globalThis[name]; });
  store.openStore({...PAGE, phantoms: [PHANTOM], example: {key: 'effusion', answers: RECORD}});
  const [asked, replayed] = [[], []];
  document.addEventListener('answer', event => replayed.push(event.detail));
  connect({trigger: (event, data) => asked.push([event, data.source])},
    {events: {...EVENTS, film: 'film', trust: 'trust', export: 'export'}, channel: 'answer'});
  openExample();
  const {film} = store.state;
  store.filmRests(film);
  store.addResult(film, 'm', {labels: ['Mass', 'Nodule'], ranked: [0, 1], spec: {labels: ['Mass', 'Nodule']}}, {});
  complete();
  for (const entry of store.current().entries.values()) store.changeEntry(entry, {state: 'done'});
  return {film, asked, replayed};
}

const REAL = {kind: 'phantom', key: 'effusion'};

test('the example is answered from its record, and is no film of the list', async t => {
  const {film, asked, replayed} = withExample(t);
  await null;
  assert.ok(store.isExample());
  assert.deepEqual([asked, store.state.films], [[], []]);
  assert.deepEqual(replayed.map(answer => answer.method), [undefined, 'gradcam', 'lime']);
  assert.equal(replayed[0].turn, 1);
  assert.deepEqual(replayed.slice(1).map(answer => answer.run), [...store.current().entries.values()].map(entry => entry.run));
  pick(1);
  assert.deepEqual([store.state.chosen, store.state.pinned, film.source.stored], [1, null, true]);
  keepFilms();
  assert.deepEqual([globalThis.kept.films, globalThis.kept.pinned], [[], null]);
});

test('an export of it, and a comparison, go to the server', async t => {
  const {asked} = withExample(t);
  ask('export', about(7));
  ask('gradcam', {...about(8), aside: true});
  assert.deepEqual(asked.map(([event]) => event), ['export', 'run_gradcam']);
  assert.ok(store.isExample());
});

for (const [what, act] of Object.entries({
  'to run a method again': () => askRun(METHODS[0]),
  'to measure for another finding, or a box': () => askTrust(true)})) {
  test(`asked ${what}, the server explains the phantom`, t => {
    const {film, asked} = withExample(t);
    act();
    assert.deepEqual(asked, [['run_gradcam', REAL], ['run_lime', REAL]]);
    assert.deepEqual([store.state.films, store.state.film, store.isExample()], [[film], film, false]);
    assert.deepEqual([...store.current().entries.values()].map(entry => entry.state), ['running', 'running']);
  });
}

test('another model answers for the phantom, and its maps are of the list', t => {
  const {film, asked} = withExample(t);
  chooseModel('other');
  assert.deepEqual(asked, [['film', REAL]]);
  assert.deepEqual(store.state.films, [film]);
});

test('the phantom among the examples is a film of its own', t => {
  const {film, asked} = withExample(t);
  addBuiltIn('phantom', PHANTOM);
  assert.deepEqual(asked, [['film', REAL]]);
  assert.notEqual(store.state.film, film);
  assert.deepEqual(store.state.films, [store.state.film]);
});

test('without a record the page is empty', t => {
  withExample(t);
  store.openStore({...PAGE, phantoms: [PHANTOM], example: null});
  openExample();
  assert.equal(store.state.film, null);
});
