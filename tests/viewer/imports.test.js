// The modules' imports make no circle.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import test from 'node:test';

const SOURCES = new URL('../../cxr_demo/web/viewer/', import.meta.url);
const names = readdirSync(SOURCES).filter(name => name.endsWith('.js'));
const source = name => readFileSync(new URL(name, SOURCES), 'utf8');
const imports = new Map(names.map(name => [name, [...source(name).matchAll(/^import .* from '\.\/(.+)';$/gm)].map(found => found[1])]));

/** @returns {string[] | null} the modules of a circle, if there is one from here */
function circleFrom(name, way = []) {
  if (way.includes(name)) return [...way, name];
  for (const next of imports.get(name)) {
    const found = circleFrom(next, [...way, name]);
    if (found) return found;
  }
  return null;
}

test('imports make no circle, and each module is part of the program', () => {
  assert.ok(imports.get('main.js').length > 20);
  assert.equal(circleFrom('main.js'), null);
  const reached = new Set();
  const visit = name => { if (!reached.has(name)) { reached.add(name); imports.get(name).forEach(visit); } };
  visit('main.js');
  assert.deepEqual([...reached].sort(), names.sort());
});
