// Links: an address names a state, and a state its address.
import assert from 'node:assert/strict';
import test from 'node:test';
import {linkOf, readLink} from '../../cxr_demo/web/viewer/links.js';
import {NONE} from '../../cxr_demo/web/viewer/store.js';

const PAGE = {
  methods: ['gradcam', 'lime', 'occlusion'].map(key => ({key})), spec: {labels: ['Effusion', 'Pleural_Thickening']},
  phantoms: [{key: 'effusion', title: 'Effusion'}], examples: [{key: 'a film.jpg', title: 'Public'}],
  lessons: [{key: 'occlusion', title: 'Occlusion', boxes: [{label: 'Planted', edges: [0, 0, 1, 1]}]}],
  languages: {en: {}, nb: {}},
};
const NOTHING = {film: null, finding: null, methods: null, language: null, unknown: []};
const read = search => {
  const {film, ...rest} = readLink(search, PAGE);
  return {...rest, film: film && [film.kind, film.item.key]};
};

test('a link names film, finding, methods and language', () => {
  assert.deepEqual(read('?example=effusion&finding=Effusion&methods=lime,gradcam&lang=nb'),
    {film: ['phantom', 'effusion'], finding: 'Effusion', methods: ['gradcam', 'lime'], language: 'nb', unknown: []});
  assert.deepEqual(read('?example=a+film.jpg'), {...NOTHING, film: ['example', 'a film.jpg']});
  assert.deepEqual(read('?lesson=occlusion&finding=Planted'), {...NOTHING, film: ['lesson', 'occlusion'], finding: 'Planted'});
});

test('parameters of others are left alone', () => {
  assert.deepEqual(read('?__theme=dark&view=api&__sign=x'), NOTHING);
  assert.deepEqual(read(''), NOTHING);
});

test('unknown parts are ignored and named', () => {
  assert.deepEqual(read('?example=unicorn&finding=Effusion&methods=lime,magic&lang=xx'),
    {...NOTHING, methods: ['lime'], unknown: ['example=unicorn', 'finding=Effusion', 'lang=xx', 'methods=magic']});
  assert.deepEqual(read('?example=effusion&finding=Planted'), {...NOTHING, film: ['phantom', 'effusion'], unknown: ['finding=Planted']});
  assert.deepEqual(read('?example=effusion&lesson=lime&methods=magic'),
    {...NOTHING, film: ['phantom', 'effusion'], unknown: ['lesson=lime', 'methods=magic']});
  assert.deepEqual(read('?lang=constructor&example=__proto__').unknown, ['example=__proto__', 'lang=constructor']);
});

test('a state\u2019s link opens this state', () => {
  const of = (source, more = {}) => linkOf({page: PAGE, film: source && {source}, chosen: 0, label: 'Effusion', on: new Set(['lime', 'gradcam']), ...more}, 'nb');
  const link = of({kind: 'phantom', key: 'effusion'});
  assert.equal(link, '?example=effusion&finding=Effusion&methods=gradcam,lime&lang=nb');
  assert.deepEqual(read(link), {film: ['phantom', 'effusion'], finding: 'Effusion', methods: ['gradcam', 'lime'], language: 'nb', unknown: []});
  const odd = read(of({kind: 'example', key: 'a film.jpg'}, {label: 'Pleural_Thickening', on: new Set()}));
  assert.deepEqual(odd, {film: ['example', 'a film.jpg'], finding: 'Pleural_Thickening', methods: [], language: 'nb', unknown: []});
  assert.deepEqual(read(of({kind: 'lesson', key: 'occlusion'}, {chosen: NONE})).finding, null);
  assert.equal(of(null), '?methods=gradcam,lime&lang=nb');
});

test('a visitor\u2019s own film has no link', () => {
  for (const source of [{kind: 'file', path: '/tmp/a.png'}, {kind: 'recorded', key: ''}, null]) {
    assert.equal(linkOf({page: PAGE, film: {source}, chosen: 0, label: 'Effusion', on: new Set()}, 'en'), null);
  }
});
