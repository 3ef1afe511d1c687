// Colours, places and maps as numbers.
import assert from 'node:assert/strict';
import test from 'node:test';
import {deflateSync} from 'node:zlib';
import {coloured, cover, ramp, shade} from '../../cxr_demo/web/viewer/colours.js';
import {difference, weightsOf} from '../../cxr_demo/web/viewer/difference.js';
import {asSent, areaOf, cellsOf, clamp, corrected, edgesOf, frame, overlapOf, placeIn, turned, within} from '../../cxr_demo/web/viewer/geometry.js';
import {greys, halves, hundredths, undone} from '../../cxr_demo/web/viewer/greylevels.js';
import {anyUnsure, blurred, evidenceIn, extremes, isoline, lessOf, plane, smoothed, unpacked, valueIn} from '../../cxr_demo/web/viewer/maps.js';

const STOPS = [[-1, 0, 0, 200], [0, 100, 100, 100], [1, 200, 0, 0]];
const WHOLE = {left: 0, top: 0, width: 1, height: 1};
const close = (found, wanted, by = 1e-9) => {
  assert.equal(found.length, wanted.length);
  found.forEach((value, k) => assert.ok(Math.abs(value - wanted[k]) < by, `${found} is not ${wanted}`));
};
const maps = (side, planes, more = {}) => ({labels: ['a'], side, scale: [0.5], limit: [1], planes: Int8Array.from(planes), unsure: null, ...more});

test('between stops colours are straight lines', () => {
  assert.deepEqual(shade(STOPS, 0.5), [150, 50, 50]);
  assert.deepEqual(shade(STOPS, -1), [0, 0, 200]);
});

test('a side that is not looked at has no colour', () => {
  assert.deepEqual([cover(-0.5, 'for', 1), cover(0.5, 'against', 1), cover(-0.5, 'both', 0.5)], [0, 0, 0.25]);
  const alpha = side => new Uint8Array(coloured(0.01, 1, STOPS, side, 1).buffer)[4 * (-100 & 255) + 3];
  assert.deepEqual([alpha('both'), alpha('for'), alpha('against')], [255, 0, 255]);
});

test('a ramp goes from the lowest colour to the highest', () => {
  const colours = ramp(STOPS, 'both', 1).match(/rgb\([^)]*\)/g);
  assert.equal(colours.length, 17);
  assert.deepEqual([colours[0], colours[8], colours[16]], ['rgb(0 0 200 / 1.000)', 'rgb(100 100 100 / 0.000)', 'rgb(200 0 0 / 1.000)']);
});

test('an enlarged film is larger than its canvas and begins before it', () => {
  const place = frame({width: 100, height: 50}, {x: 0.25, y: 0.5, zoom: 2});
  assert.deepEqual(place, {left: -50, top: -50, width: 200, height: 100});
  assert.deepEqual(within(place, {left: 0.5, top: 0, width: 0.5, height: 1}), {left: 50, top: -50, width: 100, height: 100});
});

test('a place outside the crop is nowhere', () => {
  const crop = {left: 0.25, top: 0, width: 0.5, height: 1};
  assert.equal(placeIn({x: 0.1, y: 0.5}, crop), null);
  assert.equal(placeIn({x: 0.75, y: 0.5}, crop), null);
  assert.deepEqual(placeIn({x: 0.5, y: 0.5}, crop), {x: 0.5, y: 0.5});
});

test('four quarters bring a box back, and one turns it left', () => {
  const edges = [0.1, 0.2, 0.4, 0.8];
  close(turned(edges, 4), edges);
  close(turned(edges, 1), [0.2, 0.6, 0.8, 0.9]);
  close(turned(turned(edges, 1), -1), edges);
});

test('a box follows its film into a crop and a turn, and back', () => {
  const edges = [0.4, 0.35, 0.5, 0.6], part = [0.25, 0.1, 0.75, 0.6];
  close(corrected(edges, 0, part), [0.3, 0.5, 0.5, 1]);
  close(corrected(edges, 1, part), [0.5, 0.5, 1, 0.7]);
  for (const quarters of [0, 1, 2, 3]) close(asSent(corrected(edges, quarters, part), quarters, part), edges);
  close(corrected(edges, 3), turned(edges, 3));
});

test('boxes: corners in any order, overlap, cells and area', () => {
  assert.deepEqual(edgesOf({x: 0.9, y: -1}, {x: 0.3, y: 0.5}), [0.3, 0, 0.9, 0.5]);
  close([overlapOf([0, 0, 1, 1], [0, 0, 1, 1]), overlapOf([0, 0, 0.5, 1], [0.5, 0, 1, 1]), overlapOf([0, 0, 0.5, 1], [0.25, 0, 0.75, 1])], [1, 0, 1 / 3]);
  assert.deepEqual(cellsOf([0, 0, 0.5, 2], 8, WHOLE), [0, 4, 0, 8]);
  assert.equal(areaOf([0, 0, 0.5, 0.5], WHOLE), 0.25);
  assert.deepEqual([clamp(5, 0, 1), clamp(-5, 0, 1)], [1, 0]);
});

test('maps come out of their packing', async () => {
  const pack = bytes => deflateSync(Buffer.from(bytes)).toString('base64');
  const {planes, unsure} = await unpacked({labels: ['a'], side: 2, scale: [1], limit: [1], data: pack([1, 255, 0, 127]), unsure: pack([0b01000000])});
  assert.deepEqual([...planes], [1, -1, 0, 127]);
  assert.ok(anyUnsure(maps(2, planes, {unsure}), 0));
  assert.ok(!anyUnsure(maps(2, planes, {unsure: Uint8Array.of(0)}), 0));
});

test('values are read at a place, and their extremes found', () => {
  const found = maps(2, [1, -2, 3, 4]);
  assert.equal(valueIn(found, 0, {x: 0.9, y: 0.1}), -1);
  assert.deepEqual(extremes(plane(found, 0)), [-2, 4]);
  assert.deepEqual(extremes(Int8Array.of(5)), [0, 5]);
});

test('a difference of maps of two sizes', () => {
  const less = lessOf(maps(2, [2, 0, 0, -2]), 0, maps(1, [2]), 0);
  assert.equal(less.limit[0], 2);
  close([...less.planes].map(q => q * less.scale[0]), [0, -1, -1, -2], 0.01);
});

test('of a difference only the map of the first finding changes, and it has no dots', () => {
  const both = maps(1, [10, -20, 4], {labels: ['a', 'b', 'c'], scale: [0.1, 0.2, 1], limit: [1, 4, 4], unsure: Uint8Array.of(255)});
  const found = difference(both, 0, [0, 1, 0]);
  close([valueIn(found, 0, {x: 0, y: 0}), found.limit[0]], [5, 5], 1e-6);
  assert.deepEqual([...found.planes].slice(1), [-20, 4]);
  assert.deepEqual([found.scale.slice(1), found.limit.slice(1), found.unsure], [[0.2, 1], [4, 4], null]);
  assert.equal(both.planes[0], 10);
});

test('rather than all others of a softmax: they weigh by their probabilities without the finding', () => {
  const [labels, p] = [['a', 'b', 'c'], [0.6, 0.3, 0.1]];
  assert.deepEqual(weightsOf(labels, p, 0, 'c'), [0, 0, 1]);
  const weights = weightsOf(labels, p, 0, '*');
  close(weights, [0, 0.75, 0.25]);
  // the slope of log(p / (1 - p)) by finite differences of the logits
  const odds = logits => { const e = logits.map(Math.exp); return Math.log(e[0] / (e[1] + e[2])); };
  const at = p.map(Math.log);
  close([1, 2].map(j => -(odds(at.map((z, k) => z + (k === j) * 1e-6)) - odds(at)) / 1e-6), weights.slice(1), 1e-5);
  const three = maps(1, [10, -20, 4], {labels, scale: [0.1, 0.2, 1], limit: [1, 4, 4]});
  close([valueIn(difference(three, 0, weights), 0, {x: 0, y: 0})], [1 + 3 - 1], 0.02);
});

test('evidence in a box is a share of what speaks for', () => {
  assert.equal(evidenceIn(maps(2, [3, -9, 1, 0]), 0, [0, 0, 0.5, 0.5], WHOLE), 0.75);
  assert.equal(evidenceIn(maps(2, [0, -1, 0, 0]), 0, [0, 0, 1, 1], WHOLE), null);
});

test('blurring keeps what is even, and the sum', () => {
  const side = 42;
  assert.ok(blurred(new Float32Array(side ** 2).fill(7), side).every(value => Math.abs(value - 7) < 1e-4));
  const point = new Float32Array(side ** 2);
  point[21 * side + 21] = 1000;
  const spread = blurred(point, side);
  close([spread.reduce((a, b) => a + b) / 1000, spread[21 * side + 23] / spread[21 * side + 21]], [1, Math.exp(-0.5)], 1e-3);
  const kept = maps(2, [1, 2, 3, 4]);
  assert.equal(smoothed(kept, 0), smoothed(kept, 0), 'it is computed once');
});

test('a line of equal value lies between the cells that it parts', () => {
  assert.deepEqual(isoline([0, 2, 0, 2], 2, 1), [[[1, 0.5], [1, 1.5]]]);
  assert.deepEqual(isoline([0, 0, 0, 0], 2, 1), []);
  assert.deepEqual(isoline([0, 2, 0, 2], 2, NaN), []);
  assert.equal(isoline([2, 0, 0, 2], 2, 1).length, 2, 'a saddle has two');
});

test('a film\u2019s pixels are the sums of their steps along rows', () => {
  // rows of 1000, 999 and 0, 300: steps 1000, -1 and 0, 300 modulo 2^16
  const steps = [1000, 65535, 0, 300];
  const bytes = Uint8Array.from([...steps.map(step => step >> 8), ...steps.map(step => step & 255)]);
  assert.deepEqual([...undone(bytes, 2, 2)], [1000, 999, 0, 300]);
});

test('halves are means, down to 256 pixels', () => {
  const levels = halves(512, 512, Uint16Array.from({length: 512 * 512}, (_, k) => k % 2 ? 8 : 4));
  assert.deepEqual(levels.map(({width}) => width), [512, 256]);
  assert.ok(levels[1].values.every(value => value === 6));
});

test('a window takes grey levels to black and white, or the other way', () => {
  const table = greys({low: 0.25, high: 0.75, inverted: false});
  assert.deepEqual([table[0], table[65535]], [0xff000000, 0xffffffff]);
  assert.equal(greys({low: 0.25, high: 0.75, inverted: true})[0], 0xffffffff);
  const ladder = {width: 101, height: 1, values: Uint16Array.from({length: 101}, (_, k) => k * 655)};
  close(hundredths(ladder, WHOLE), [655 / 65535, 99 * 655 / 65535]);
});
