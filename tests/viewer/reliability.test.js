// The verdict on a map and the scores beside it.
import assert from 'node:assert/strict';
import test from 'node:test';
import {reliabilityOf, scoresOf} from '../../cxr_demo/web/viewer/reliability.js';
import * as store from '../../cxr_demo/web/viewer/store.js';

const told = text => ({id: null, text, parameters: {}});
const scores = first => ({faithfulness: [first, null], faithfulness_of_lungs: [first / 2, 0.1], faithfulness_limit: [first / 4, null]});
const FOUND = {cover: ['wide', 'blurred'], covers: {blurred: scores(0.4), wide: scores(0.8)}, verdict: ['supported', 'untestable'],
  short: [told('Short.'), told('Not testable.')], says: [[told('Long.'), told('Cover.')], [told('Why not.')]]};
const METHOD = {key: 'lime', title: 'LIME', on: true, settings: []};

const judged = (scramble = null, i = 0) => {
  store.openStore({models: [{name: 'm', title: 'M'}], model: 'm', spec: {labels: ['Mass', 'Nodule']}, methods: [METHOD], opacity: 0.6,
    palettes: [{key: 'warm', title: 'warm', colours: {}}], phantoms: [], lessons: [], signatures: [], turns: {}, stays: 0.6});
  const result = {entries: new Map([['lime', {run: 3}]]), trust: {about: 'gradcam:2 lime:3', methods: {lime: FOUND}}, scramble};
  return reliabilityOf(METHOD, result, i);
};

test('scores are those with the cover that tests the finding best', () => {
  assert.deepEqual(scoresOf(FOUND, 0), {score: 0.8, lungs: 0.4, limit: 0.2});
  assert.deepEqual(scoresOf(FOUND, 1), {score: null, lungs: 0.1, limit: null});
});

test('a measured map has a verdict, a sentence for the card and all of them', () => {
  assert.deepEqual(judged(), {key: 'supported', stays: false, score: 0.8, lungs: 0.4, limit: 0.2, short: 'Short.', full: 'Long. Cover.'});
  assert.equal(judged(null, 1).short, 'Not testable.');
});

test('a map of a newer run than was measured has no verdict', () => {
  const result = {entries: new Map([['lime', {run: 4}]]), trust: {about: 'gradcam:2 lime:3', methods: {lime: FOUND}}, scramble: null};
  assert.equal(reliabilityOf(METHOD, result, 0), null);
  assert.equal(reliabilityOf(METHOD, {...result, trust: null}, 0), null);
});

test('that a map stays when the weights are permuted is the sentence for the card', () => {
  const permuted = kept => ({maps: new Map([['lime', {kept: [kept]}]])});
  assert.equal(judged(permuted(0.59)).stays, false);
  const stays = judged(permuted(0.6));
  assert.ok(stays.stays && !stays.short.includes('Short.') && stays.full.startsWith('Long. Cover. '));
  assert.ok(stays.full.endsWith(stays.short));
});
