// Bundles the browser's program: `node esbuild.config.js`. The bundle's first line has the checksum of its sources.
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

const SOURCES = fileURLToPath(new URL('cxr_demo/web/viewer/', import.meta.url));
export const BUNDLE = `${SOURCES}dist/viewer.js`;

/** @returns {Promise<string>} the bundle of the sources as they are */
export async function bundled() {
  const digest = createHash('sha256');
  for (const name of readdirSync(SOURCES).filter(one => one.endsWith('.js')).sort()) {
    digest.update(`${name}\n`).update(readFileSync(SOURCES + name));
  }
  const {outputFiles: [made]} = await build({
    absWorkingDir: dirname(fileURLToPath(import.meta.url)),
    entryPoints: [`${SOURCES}main.js`],
    write: false,
    bundle: true,
    format: 'iife',
    globalName: 'viewer',
    target: 'es2022',
    banner: {js: `// Made by \`make viewer\`; sources sha256:${digest.digest('hex')}`},
    logLevel: 'warning',
  });
  return made.text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(dirname(BUNDLE), {recursive: true});
  writeFileSync(BUNDLE, await bundled());
}
