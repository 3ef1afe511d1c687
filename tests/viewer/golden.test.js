// Twins of Python and the browser: tests/unit/test_viewer_data.py reads the same cases.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import test from 'node:test';
import {placed, readBoxTable} from '../../cxr_demo/web/viewer/boxtables.js';
import {coloured} from '../../cxr_demo/web/viewer/colours.js';
import {quoted} from '../../cxr_demo/web/viewer/csv.js';
import {percent, signed} from '../../cxr_demo/web/viewer/numbers.js';
import {foremost} from '../../cxr_demo/web/viewer/predictions.js';
import {wrapped} from '../../cxr_demo/web/viewer/wrapping.js';

const golden = name => JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), 'utf8'));

test('signed numbers', () => {
  for (const {value, limit, text} of golden('numbers').signed) assert.equal(signed(value, limit), text);
});

test('percentages', () => {
  for (const {p, text} of golden('numbers').percent) assert.equal(percent(p), text);
});

test('the first finding', () => {
  for (const {probabilities, thresholds, first, says} of golden('predictions')) {
    const ranked = probabilities.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
    assert.equal(foremost({ranked, probabilities, thresholds}), first, says);
  }
});

test('lines below a picture', () => {
  for (const {text, width, lines} of golden('wrapping')) assert.deepEqual(wrapped(text, width, part => part.length), lines);
});

test('colours', () => {
  const {stops, limit, cases} = golden('colours');
  for (const {value, rgba} of cases) {
    const bytes = new Uint8Array(coloured(value, limit, stops, 'both', 1).buffer);
    assert.deepEqual([...bytes.subarray(4, 8)], rgba, `one step of ${value}`);
  }
});

test('boxes of a table', () => {
  const {size, cases} = golden('boxtables');
  for (const {cell, boxes} of cases) {
    const {read, wrong} = readBoxTable('t.csv', `file,boxes\na.png,${cell && quoted(cell)}\n`);
    assert.equal(wrong > 0, boxes === null, cell);
    if (boxes === null) continue;
    const found = placed(read.get('a') ?? [], size, 0).inside;
    assert.deepEqual(found.map(({label, edges}) => [label, edges]), boxes, cell);
  }
});
