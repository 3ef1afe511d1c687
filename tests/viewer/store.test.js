// The store: its actions, what follows from the state, and who is told.
import assert from 'node:assert/strict';
import test from 'node:test';
import * as store from '../../cxr_demo/web/viewer/store.js';
import {isRight, knownEdges, knownFindings, truthEdges} from '../../cxr_demo/web/viewer/truth.js';

const METHODS = ['gradcam', 'lime'].map(key => ({key, title: key, on: key === 'gradcam', settings: [{name: 'window', default: 24}]}));
const PHANTOM = {key: 'nodule', title: 'Nodule', planted: 'A shadow.', finding: 'Nodule', edges: [0.1, 0.1, 0.2, 0.2]};
const PAGE = {models: [{name: 'm', title: 'M'}], model: 'm', spec: {labels: ['Mass', 'Nodule']}, methods: METHODS, opacity: 0.6,
  palettes: [{key: 'warm', title: 'warm', colours: {}}], phantoms: [PHANTOM], lessons: [], signatures: [[0, '89504e47']], turns: {'turn left': 1}};
const SEEN = {labels: ['Mass', 'Nodule']};

const opened = () => store.openStore(PAGE);
const withFilm = (source = {kind: 'file'}, more = {}) => {
  opened();
  const film = store.addFilm('a.png', source, more);
  store.lookAtFilm(film);
  return {film, result: store.addResult(film, 'm', SEEN, {})};
};

test('opening begins afresh', () => {
  withFilm();
  store.on('draw', () => assert.fail('a listener of the page before'));
  opened();
  store.publish('draw');
  assert.deepEqual([store.state.films.length, store.state.film, store.state.chosen], [0, null, store.NONE]);
  assert.deepEqual(store.settingsOf(METHODS[0]), {window: 24});
  assert.deepEqual(store.shown().map(method => method.key), ['gradcam']);
});

test('listeners are called in their order, and only for their topic', () => {
  opened();
  const heard = [];
  store.on('draw', () => heard.push('first'));
  store.on('draw', () => heard.push('second'));
  store.on('film', () => heard.push('film'));
  store.publish('draw');
  store.setLook({opacity: 0.5});
  assert.deepEqual(heard, ['first', 'second', 'first', 'second']);
  assert.equal(store.state.opacity, 0.5);
});

test('the answer of the chosen model is the current one', () => {
  const {film, result} = withFilm();
  assert.equal(store.current(), result);
  store.setModel('other');
  assert.equal(store.current(), null);
  assert.deepEqual(store.answered(), []);
  store.setModel('m');
  store.correctFilm(film, 'turn left', null, []);
  assert.equal(store.current(), null);
  assert.equal(film.source.correction, 'turn left');
});

test('a turn is answered once', () => {
  const {film} = withFilm();
  const turn = store.askedFor({film, model: 'm', source: film.source});
  assert.equal(store.answeredTurn(turn).film, film);
  assert.equal(store.answeredTurn(turn), null);
  store.askedFor({film, model: 'm', source: film.source});
  store.refuseAsked('Refused.');
  assert.deepEqual([film.error, film.busy, store.state.asked.size], ['Refused.', false, 0]);
});

test('leaving drops runs that did not end, and measurements under way', () => {
  const {result} = withFilm();
  const [gradcam, lime] = METHODS;
  store.switchMethod(lime, true);
  store.setEntry(result, gradcam, {run: 1, state: 'done'});
  store.setEntry(result, lime, {run: 2, state: 'running'});
  store.setTrust(result, {state: 'running'});
  assert.deepEqual(store.finished(), [gradcam]);
  assert.deepEqual(store.measuring(), ['trust']);
  store.dropUnfinished(result);
  assert.deepEqual([...result.entries.keys()], ['gradcam']);
  assert.equal(result.trust, null);
});

test('leaving a film during a later run returns the finished map of the earlier one', () => {
  const {result} = withFilm();
  const [, lime] = METHODS;
  store.switchMethod(lime, true);
  const before = {run: 1, state: 'done', settings: {samples: 400}};
  store.setEntry(result, lime, {run: 2, state: 'running', before});
  store.dropUnfinished(result);
  assert.deepEqual(store.entryOf(lime), before);
});

test('a film keeps the finding that it was shown with, for each model; a correction forgets it', () => {
  const {film} = withFilm();
  store.chooseFinding(1, 'Nodule');
  store.setModel('other');
  store.chooseFinding(0, 'Mass');
  assert.deepEqual([...film.findings], [['m', 'Nodule'], ['other', 'Mass']]);
  store.correctFilm(film, 'turn left', null, []);
  assert.deepEqual([...film.findings], []);
});

test('a film keeps its guess, and hides the answer until it is revealed', () => {
  const {film} = withFilm();
  store.changeQuiz({on: true});
  assert.ok(store.guessing());
  const opening = store.addFilm('Pneumothorax', {kind: 'phantom', key: 'pneumothorax'});
  store.lookAtFilm(opening);
  assert.equal(store.current(), null);
  assert.ok(store.guessing(), 'before the film is read');
  store.lookAtFilm(film);
  store.guess(film, {finding: 1});
  store.guess(film, {revealed: true});
  assert.deepEqual(film.guess, {finding: 1, edges: null, revealed: true});
  assert.ok(!store.guessing());
});

test('a head sorts, and sorts the other way when it is clicked again', () => {
  opened();
  store.sortBy('Mass');
  assert.deepEqual(store.state.order, {by: 'Mass', falling: true});
  store.sortBy('Mass');
  assert.deepEqual(store.state.order, {by: 'Mass', falling: false});
  store.sortBy('name');
  assert.deepEqual(store.state.order, {by: 'name', falling: false});
});

test('what is known of a film: planted, given with it, or nothing', () => {
  const {film, result} = withFilm({kind: 'phantom', key: 'nodule'});
  assert.deepEqual([knownFindings(film), truthEdges(film)], [['Nodule'], [PHANTOM.edges]]);
  assert.deepEqual([isRight(result, 1), isRight(result, 0), isRight(result, store.NONE)], [true, false, false]);
  const given = withFilm({kind: 'file'}, {boxes: [{label: 'Mass', edges: [0, 0, 1, 1], given: true}]});
  assert.deepEqual(knownFindings(given.film), ['Mass']);
  assert.deepEqual(knownEdges(given.result, 0), [[0, 0, 1, 1]]);
  assert.deepEqual(knownEdges(given.result, 1), []);
  assert.equal(knownFindings(withFilm().film), null);
});
