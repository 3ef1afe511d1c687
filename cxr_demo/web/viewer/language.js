// What the page says, in the visitor's language. The English sentence is the key; `languages/` has a catalogue for each
// other language, and what one lacks is said in English. Comes first: all other parts speak through it.

const LANGUAGES = props.about.languages;
const locale = LANGUAGES[remembered('language')] ? remembered('language') : understood();
const sayings = new Map(Object.entries(LANGUAGES[locale].texts));
const plurals = new Intl.PluralRules(locale);
const POINT = (1.5).toLocaleString(locale)[1];

// A frame of another site, or a file, may have no storage.
function remembered(name) {
  try { return localStorage.getItem(`cxr-${name}`); } catch { return null; }
}

function remember(name, value) {
  try { localStorage.setItem(`cxr-${name}`, value); } catch { /* asked again next time */ }
}

// The first language of the browser's that is here, or whose wider name one of ours answers to.
function understood() {
  for (const wanted of navigator.languages) {
    const [short] = wanted.toLowerCase().split('-');
    const found = Object.keys(LANGUAGES).find(code => code === short || LANGUAGES[code].also.includes(short));
    if (found) return found;
  }
  return 'en';
}

// A sentence of the page's own; `values` go where it has their names in braces, and `n` of them decides about the plural.
function tr(text, values = {}) {
  const found = sayings.get(text) ?? text;
  const form = typeof found === 'string' ? found : found[plurals.select(values.n)] ?? found.other;
  return form.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// What the server says, which speaks English: where a sentence's key has {0}, {1} ..., anything may have stood.
const patterns = [...sayings.keys()].filter(key => key.includes('{0}')).sort((a, b) => b.length - a.length).map(key => ({key,
  pattern: new RegExp(`^${key.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\d\}/g, '(.*?)')}$`, 's')}));
const heard = new Map();

function told(text) {
  if (!text || sayings.has(text)) return text && tr(text);
  if (!heard.has(text)) heard.set(text, oneByOne(text));
  return heard.get(text);
}

function oneByOne(text) {
  if (/^[\u2212-]?\d+\.\d+$/.test(text)) return text.replace('.', POINT);
  const sentences = text.split(/(?<=[.!?]) (?=[\p{Lu}\d])/u);
  const fits = patterns.find(({pattern}) => pattern.test(text));
  if (!fits) return sentences.length > 1 ? sentences.map(told).join(' ') : text;
  const order = fits.key.match(/\{\d\}/g).map(name => name[1]);
  return tr(fits.key, Object.fromEntries(fits.pattern.exec(text).slice(1).map((part, k) => [order[k], told(part)])));
}

const fixed = (value, digits) => value.toFixed(digits).replace('.', POINT);

function translated(about) {
  const inWords = (list, ...names) => list.map(item => ({...item, ...Object.fromEntries(names.map(name => [name, told(item[name])]))}));
  return {...about, title: told(about.title), tagline: told(about.tagline), notice: told(about.notice), refused: told(about.refused),
    methods: inWords(about.methods, 'title', 'reading').map(method => ({...method, settings: inWords(method.settings, 'help')})),
    models: inWords(about.models, 'title'), phantoms: inWords(about.phantoms, 'title', 'planted'),
    lessons: inWords(about.lessons, 'title'), examples: inWords(about.examples, 'title', 'credit')};
}

const languageChoice = Object.keys(LANGUAGES).length > 1 ? make('select', {id: 'cxr-language', 'aria-label': tr('Language'), onchange: () => {
  remember('language', languageChoice.value);
  location.reload();
}}, ...Object.entries(LANGUAGES).map(([code, {name}]) => make('option', {value: code, lang: code, selected: code === locale}, name))) : null;

// Chapters under the viewer are there in all languages.
document.documentElement.lang = locale;
document.head.append(make('style', {},
  `:is(${Object.keys(LANGUAGES).filter(code => code !== locale).map(code => `.in-${code}`)}) { display: none !important; }`));
