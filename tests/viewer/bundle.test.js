// The committed bundle is the one that the sources make; tests/unit/test_viewer_data.py compares checksums without Node.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import test from 'node:test';
import {BUNDLE, bundled} from '../../esbuild.config.js';

test('building the bundle again gives the same bytes', async () => {
  assert.ok(readFileSync(BUNDLE, 'utf8') === await bundled(), 'run `make viewer`');
});
