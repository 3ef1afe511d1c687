// What the page says, in the visitor's language. The English sentence is the key; `languages/` has a catalogue for each
// other language, and what one lacks is said in English.

/** @import {About, Catalogue} from './types.d.ts' */

/** A language in which the page speaks. */
export class Translator {
  /** @param {string} code @param {Catalogue['texts']} texts */
  constructor(code, texts) {
    this.code = code;
    this.texts = new Map(Object.entries(texts));
    this.plurals = new Intl.PluralRules(code);
    /** The decimal sign. */
    this.point = (1.5).toLocaleString(code)[1];
    this.patterns = [...this.texts.keys()].filter(key => key.includes('{0}')).sort((a, b) => b.length - a.length).map(key => ({key,
      pattern: new RegExp(`^${key.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\d\}/g, '(.*?)')}$`, 's')}));
    /** @type {Map<string, string>} */
    this.heard = new Map();
  }

  /**
   * A sentence of the page's own; `values` go where it has their names in braces, and `n` of them decides about the plural.
   * @param {string} text @param {Record<string, any>} [values]
   */
  tr(text, values = {}) {
    const found = this.texts.get(text) ?? text;
    const form = typeof found === 'string' ? found : found[this.plurals.select(values.n)] ?? found.other;
    return form.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  }

  /**
   * What the server says, which speaks English: where a sentence's key has {0}, {1} ..., anything may have stood.
   * @param {string} text
   */
  told(text) {
    if (!text || this.texts.has(text)) return text && this.tr(text);
    const known = this.heard.get(text) ?? this.oneByOne(text);
    this.heard.set(text, known);
    return known;
  }

  /** @param {string} text @returns {string} */
  oneByOne(text) {
    if (/^[\u2212-]?\d+\.\d+$/.test(text)) return text.replace('.', this.point);
    const sentences = text.split(/(?<=[.!?]) (?=[\p{Lu}\d])/u);
    const fits = this.patterns.find(({pattern}) => pattern.test(text));
    if (!fits) return sentences.length > 1 ? sentences.map(one => this.told(one)).join(' ') : text;
    const order = (fits.key.match(/\{\d\}/g) ?? []).map(name => name[1]);
    const parts = (fits.pattern.exec(text) ?? []).slice(1);
    return this.tr(fits.key, Object.fromEntries(parts.map((part, k) => [order[k], this.told(part)])));
  }
}

let spoken = new Translator('en', {});

/** @param {Translator} translator that the whole page speaks through */
export function speak(translator) { spoken = translator; }
/** @param {string} text @param {Record<string, any>} [values] */
export const tr = (text, values) => spoken.tr(text, values);
/** @param {string} text */
export const told = text => spoken.told(text);
export const point = () => spoken.point;
export const locale = () => spoken.code;

/**
 * The first of the languages wished for that is here, or whose wider name one of ours answers to.
 * @param {About['languages']} languages @param {readonly string[]} wishes
 */
export function understood(languages, wishes) {
  for (const wanted of wishes) {
    const [short] = wanted.toLowerCase().split('-');
    const found = Object.keys(languages).find(code => code === short || languages[code].also.includes(short));
    if (found) return found;
  }
  return 'en';
}

/** @param {About} about @returns {About} with its sentences in the visitor's language */
export function translated(about) {
  /** @template T @param {readonly T[]} list @param {(keyof T)[]} names @returns {T[]} */
  const inWords = (list, ...names) =>
    list.map(item => ({...item, ...Object.fromEntries(names.map(name => [name, told(/** @type {string} */ (item[name]))]))}));
  return {...about, title: told(about.title), tagline: told(about.tagline), notice: told(about.notice), refused: told(about.refused),
    methods: inWords(about.methods, 'title', 'reading').map(method => ({...method, settings: inWords(method.settings, 'help')})),
    models: inWords(about.models, 'title'), phantoms: inWords(about.phantoms, 'title', 'planted'),
    lessons: inWords(about.lessons, 'title'), examples: inWords(about.examples, 'title', 'credit')};
}
