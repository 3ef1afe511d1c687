// Requests: which maps start, and when.
import assert from 'node:assert/strict';
import test from 'node:test';
import {askRun, complete, connect} from '../../cxr_demo/web/viewer/requests.js';
import * as store from '../../cxr_demo/web/viewer/store.js';

const METHODS = ['gradcam', 'lime'].map(key => ({key, title: key, on: true, settings: []}));
const PAGE = {models: [], model: 'm', spec: {labels: ['Mass']}, methods: METHODS, opacity: 0.6,
  palettes: [{key: 'warm', title: 'warm', colours: {}}], phantoms: [], lessons: [], accepts: ['.png'], turns: {}};
const EVENTS = {gradcam: 'run_gradcam', lime: 'run_lime'};

/** @returns the film, and the growing list of events that reach the server */
function opened(seen, page = {}) {
  store.openStore({...PAGE, ...page});
  const asked = [];
  connect({trigger: event => asked.push(event)}, EVENTS);
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
  const {asked} = opened({doubted: true}, {accepts: []});
  complete();
  assert.deepEqual(asked, ['run_gradcam', 'run_lime']);
});
