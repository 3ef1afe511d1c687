// Bundles the browser's program: node esbuild.config.js [FILE]. The first line of the bundle says of which sources it is.
import {createHash} from 'node:crypto';
import {readFileSync, readdirSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

const SOURCES = fileURLToPath(new URL('cxr_demo/web/viewer/', import.meta.url));

const digest = createHash('sha256');
for (const name of readdirSync(SOURCES).filter(one => one.endsWith('.js')).sort()) {
  digest.update(`${name}\n`).update(readFileSync(SOURCES + name));
}

await build({
  entryPoints: [`${SOURCES}main.js`],
  outfile: process.argv[2] ?? `${SOURCES}dist/viewer.js`,
  bundle: true,
  format: 'iife',
  globalName: 'viewer',
  target: 'es2022',
  banner: {js: `// Made by \`make viewer\`; sources sha256:${digest.digest('hex')}`},
  logLevel: 'warning',
});
