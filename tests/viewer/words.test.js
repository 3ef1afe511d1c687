// Translation, numbers in words, tables as text.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import test from 'node:test';
import {placed, readBoxTable, stem} from '../../cxr_demo/web/viewer/boxtables.js';
import {csvOf, decoded, parseCsv, quoted} from '../../cxr_demo/web/viewer/csv.js';
import {Translator, readable, say, sentence, speak, spokenOut, tr, understood} from '../../cxr_demo/web/viewer/i18n.js';
import {figure, fixed, lasting, percent, sentenceCase, share, signed, signedWhole} from '../../cxr_demo/web/viewer/numbers.js';
import {combined, mayBeMisread} from '../../cxr_demo/web/viewer/predictions.js';
import {words} from '../../cxr_demo/web/viewer/progress.js';
import {measuresOf} from '../../cxr_demo/web/viewer/quality.js';

const catalogue = code => JSON.parse(readFileSync(new URL(`../../cxr_demo/languages/${code}.json`, import.meta.url), 'utf8'));
const speaking = (code, run) => {
  speak(new Translator(code, catalogue(code).texts));
  try { run(catalogue(code).texts); } finally { speak(new Translator('en', {})); }
};
const plain = text => ({id: null, text, parameters: {}});

test('a film may be misread where the server says that its grey values are guessed or unusual', () => {
  const warned = (...ids) => mayBeMisread({warnings: ids.map(id => ({id, text: '', parameters: {}}))});
  const known = Object.keys(catalogue('en').texts).filter(id => id.startsWith('warning.'));
  assert.deepEqual(known.filter(id => warned(id)), known.filter(id => /^warning\.read\./.test(id)));
  assert.ok(warned('warning.film.few_pixels', 'warning.read.window'));
  assert.ok(!warned('warning.film.few_pixels', null) && !warned());
});

test('a sentence is said by its identity, with its values and its plural', () => {
  const own = new Translator('en', {'a.b': 'Hello {name}', 'a.n': {one: '{n} film', other: '{n} films'}});
  assert.equal(own.find('a.b', {name: 'you'}), 'Hello you');
  assert.equal(own.find('a.b'), 'Hello {name}');
  assert.deepEqual([0, 1, 2].map(n => own.find('a.n', {n})), ['0 films', '1 film', '2 films']);
  assert.equal(own.find('constructor'), null);
});

test('a record of the server is said in the visitor\u2019s language, and messages within it too', () => {
  const name = {id: 'setting_name.window', text: 'window', parameters: {}};
  const record = {id: 'error.setting.number', text: 'English', parameters: {name, value: 1.5, low: 1, high: 9}};
  speaking('nb', texts => {
    const filled = {name: texts['setting_name.window'], value: '1,5', low: '1', high: '9'};
    assert.equal(say(record), texts['error.setting.number'].replace(/\{(\w+)\}/g, (_, place) => filled[place]));
    assert.equal(readable('Pleural_Thickening'), texts['finding.Pleural_Thickening']);
    assert.equal(say(sentence('error.stopped.on_request')), texts['error.stopped.on_request']);
  });
});

test('what has no identity here is said as it came', () => {
  assert.equal(say(plain('Repository {name}')), 'Repository {name}');
  assert.equal(say({id: 'error.newer', text: 'Newer.', parameters: {}}), 'Newer.');
  assert.equal(readable('Old_TB'), 'Old TB');
});

test('a name with braces or dollars stays as it is', () => {
  assert.equal(new Translator('en', {a: 'File {name}'}).find('a', {name: '{name}$&.png'}), 'File {name}$&.png');
});

test('all sentences in what the server tells are said', () => {
  assert.deepEqual(spokenOut({list: [plain('A')], name: 'n', number: 3, none: null}), {list: ['A'], name: 'n', number: 3, none: null});
});

test('the time left is counted down between two maps, and stated by the pace between the first and the latest', () => {
  const at = performance.now();
  const entry = {state: 'running', steps: [30, 100], since: {at: at - 30000, done: 10}};
  speaking('en', () => {
    assert.match(words({...entry, latest: {at, done: 30}}), /^30 of 100 copies, about 2 min/);
    assert.match(words({...entry, since: {at: at - 40000, done: 10}, latest: {at: at - 20000, done: 30}}), /about 50 s left$/);
    assert.equal(words({...entry, latest: {at, done: 10}}), '30 of 100 copies');
    assert.equal(words({...entry, since: {at: at - 300000, done: 10}, latest: {at: at - 200000, done: 90}}), '30 of 100 copies', 'overdue');
  });
});

test('a run that ended early is an estimate, or leaves the map of the run before', () => {
  const stopped = sentence('error.stopped.on_request');
  speaking('en', () => {
    assert.match(words({state: 'stopped', stopped, steps: [3, 25], forwards: 4}), /^Stopped on request\. Estimate from 3 of 25 copies/);
    assert.equal(words({state: 'stopped', stopped, steps: [0, 0], forwards: 0}), 'Stopped on request. There is no map.');
    assert.equal(words({state: 'done', stopped, steps: [25, 25], forwards: 26}), 'Stopped on request. The map is from the previous run.');
    assert.equal(words({state: 'done', error: plain('No.'), steps: [25, 25], forwards: 26}), 'No. The map is from the previous run.');
  });
});

test('the known measures of a map are said and explained', () => {
  speaking('en', () => {
    const found = measuresOf({fidelity: null, error_share: [0.25], missing: [-0.084], expected_sum: [2.694]}, 0);
    assert.deepEqual(found.map(({said}) => said), ['standard error 25 %', 'sum off by 0.08 of 2.69 logits']);
    assert.ok(found.every(({meaning}) => meaning.endsWith('.')));
    assert.deepEqual(measuresOf(null, 0), []);
  });
});

test('the first language that is here is understood', () => {
  const languages = {en: catalogue('en'), nb: catalogue('nb')};
  assert.equal(understood(languages, ['de-DE', 'nn-NO', 'en']), 'nb');
  assert.equal(understood(languages, ['fr']), 'en');
});

test('numbers have the language\u2019s decimal sign', () => {
  assert.deepEqual([signed(-0.5), fixed(1.26, 1), percent(0.012), figure(-0.001), figure(null)], ['\u22120.500', '1.3', '1.2 %', '0.00', '\u2013']);
  speaking('nb', () => assert.deepEqual([signed(-0.5), percent(0.012), figure(-0.25)], ['\u22120,500', '1,2 %', '\u22120,25']));
});

test('shares, points, times and sentences', () => speaking('en', texts => {
  assert.deepEqual([share(0.256), share(null)], ['26 %', '\u2013']);
  assert.deepEqual([12, -3, 0].map(signedWhole), ['+12', '\u22123', '0']);
  assert.deepEqual([0.2, 30, 89, 90, 61 * 60].map(lasting), ['1 s', '30 s', '89 s', '2 minutes', '61 minutes']);
  assert.equal(sentenceCase('turn left'), 'Turn left');
  assert.equal(tr('ui.common.stop'), texts['ui.common.stop']);
}));

test('tables: quotes, commas and lines in cells; formulas are text', () => {
  assert.deepEqual(parseCsv('\ufefffile,boxes\r\n"a,b.png","say ""x""\nmore"\n'), [['file', 'boxes'], ['a,b.png', 'say "x"\nmore']]);
  assert.equal(quoted('=1+1'), '"\'=1+1"');
  assert.equal(csvOf([[quoted('a'), '1'], [quoted('b"'), '2']]), '"a",1\r\n"b""",2\r\n');
});

test('the NIH\u2019s list of boxes has its own columns and one name of its own', () => {
  for (const head of ['Image Index,Finding Label,x,y,w,h', 'Image Index,Finding Label,Bbox [x,y,w,h],,,']) {
    const {read, wrong, known} = readBoxTable('list.csv', `${head}\na.png,Infiltrate,128,256,256,512,,,\nb.png,Mass,x,1,1,1,,,\n`);
    assert.deepEqual([known, wrong, [...read.keys()]], [true, 1, ['a']], head);
    assert.deepEqual(onFilm(read.get('a')), [{label: 'Infiltration', given: true, edges: [0.125, 0.25, 0.375, 0.75]}]);
  }
});

const onFilm = (boxes, size = {width: 100, height: 100}) => placed(boxes, size, 0).inside;

test('VinDr gives corners, of films whose size it may give', () => {
  const head = 'image_id,class_name,x_min,y_min,x_max,y_max';
  const bare = readBoxTable('v.csv', `${head}\nf,Pleural effusion,10,20,40,60\ng,No finding,,,,\nh,Mass,5,5,,9\n`);
  assert.deepEqual([bare.wrong, [...bare.read.keys()]], [1, ['f']]);
  assert.deepEqual(onFilm(bare.read.get('f')), [{label: 'Effusion', given: true, edges: [0.1, 0.2, 0.4, 0.6]}]);
  const sized = readBoxTable('v.csv', `${head},width,height\nf,Mass,100,400,400,1200,1000,2000\n`);
  assert.deepEqual(onFilm(sized.read.get('f'))[0].edges, [0.1, 0.2, 0.4, 0.6]);
});

test('RSNA gives opacities on films of 1,024 pixels', () => {
  const {read, wrong} = readBoxTable('r.csv', 'patientId,x,y,width,height,Target\nf,256,512,256,128,1\ng,,,,,0\n');
  assert.deepEqual([wrong, [...read.keys()]], [0, ['f']]);
  assert.deepEqual(onFilm(read.get('f'), {width: 512, height: 512}), [{label: 'Pneumonia', given: true, edges: [0.25, 0.5, 0.5, 0.625]}]);
});

test('COCO gives boxes by numbers of films and findings', () => {
  const coco = {images: [{id: 7, file_name: 'folder/f.png', width: 200, height: 100}], categories: [{id: 1, name: 'Mass'}],
    annotations: [{image_id: 7, category_id: 1, bbox: [20, 10, 40, 30]}, {image_id: 8, category_id: 1, bbox: [1, 1, 1, 1]}, {image_id: 7, category_id: 2, bbox: [1, 1, 1, 1]}]};
  const {read, wrong} = readBoxTable('c.json', JSON.stringify(coco));
  assert.deepEqual([wrong, [...read.keys()]], [2, ['f']]);
  assert.deepEqual(onFilm(read.get('f'), {width: 50, height: 50}), [{label: 'Mass', given: true, edges: [0.1, 0.1, 0.3, 0.4]}]);
});

test('other columns are unknown, not read by their place', () => {
  for (const text of ['a,b,c,d,e,f\nf.png,Mass,1,2,3,4\n', 'file,label\nf.png,Mass\n', '{"boxes": []}', '[1, 2]', '{broken', '']) {
    assert.deepEqual(readBoxTable('t', text), {read: new Map(), wrong: 0, known: false}, text);
  }
});

test('tables in other encodings and with other separators', () => {
  const text = 'file;boxes\r\nf\u00e9.png;""\r\n;\r\n';
  const encoded = {utf8: Buffer.from(text), 'utf8 with a mark': Buffer.from(`\ufeff${text}`), 'utf16': Buffer.from(`\ufeff${text}`, 'utf16le'), latin1: Buffer.from(text, 'latin1')};
  for (const [kind, bytes] of Object.entries(encoded)) {
    for (const separator of [';', ',', '|', '\t']) {
      const rows = parseCsv(decoded(new Uint8Array(bytes).buffer).replaceAll(';', separator));
      assert.deepEqual(rows, [['file', 'boxes'], ['f\u00e9.png', '']], `${kind} ${separator}`);
    }
  }
});

test('boxes turn with a film and may lie beside it', () => {
  const box = {label: 'Mass', x: 0, y: 0, w: 50, h: 10, from: 't'};
  const {inside} = placed([box], {width: 100, height: 200}, 1);  // as shown; it was sent 200 wide
  assert.deepEqual(inside[0].edges.map(edge => Number(edge.toFixed(6))), [0, 0.75, 0.1, 1]);
  const cropped = placed([{...box, x: 50, y: 30}], {width: 100, height: 200}, 1, [0.2, 0.2, 1, 0.8667]);
  cropped.inside[0].edges.forEach((edge, k) => assert.ok(Math.abs(edge - inside[0].edges[k]) < 1e-3));
  const upsideDown = placed([box], {width: 100, height: 200}, 2).inside[0].edges;
  assert.deepEqual(upsideDown.map(edge => Number(edge.toFixed(6))), [0.5, 0.95, 1, 1]);
  assert.equal(placed([{...box, x: 900}], {width: 100, height: 200}, 0).beside, 1);
  assert.equal(stem('a.b.dcm'), 'a.b');
});

test('films together have the mean of their log-odds', () => {
  assert.equal(combined([0.5, 0.5]), 0.5);
  assert.ok(Math.abs(combined([0.2, 0.8]) - 0.5) < 1e-9);
  assert.ok(Number.isFinite(combined([0, 0.5])) && combined([0, 0.5]) > 0);
});
