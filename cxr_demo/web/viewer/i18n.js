// Translation: sentences by identity, with texts of the visitor's language from `languages/xx.json`.

/** @import {About, Catalogue, Sentence} from './types.d.ts' */

/** @typedef {Record<string, string | number | boolean | Sentence>} Values of a text's named placeholders */

/** Formats sentences and numbers in one language. */
export class Translator {
  /** @param {string} code @param {Catalogue['texts']} texts */
  constructor(code, texts) {
    this.code = code;
    this.texts = new Map(Object.entries(texts));
    this.plurals = new Intl.PluralRules(code);
    /** The decimal sign. */
    this.point = (1.5).toLocaleString(code)[1];
  }

  /**
   * The text of an identity, with `values` in its named placeholders; the value `n` selects the plural form.
   * @param {string} id @param {Values} [values] @returns {string | null} null if the catalogue lacks it
   */
  find(id, values = {}) {
    const found = this.texts.get(id);
    if (found === undefined) return null;
    const form = typeof found === 'string' ? found : found[this.plurals.select(Number(values.n))] ?? found.other;
    return form.replace(/\{(\w+)\}/g, (place, name) => name in values ? this.part(values[name]) : place);
  }

  /** @param {Values[string]} value @returns {string} */
  part(value) {
    if (typeof value === 'number') return String(value).replace('.', this.point);
    return typeof value === 'object' ? this.say(value) : String(value);
  }

  /** A sentence of the server; its English text if the catalogue lacks its identity. @param {Sentence} sentence @returns {string} */
  say({id, parameters, text}) {
    return (id === null ? null : this.find(id, parameters)) ?? text;
  }
}

let spoken = new Translator('en', {});

/** Sets the page's language. @param {Translator} translator */
export function speak(translator) { spoken = translator; }
/** A sentence of the page itself. @param {string} id @param {Values} [values] */
export const tr = (id, values) => spoken.find(id, values) ?? id;
/** @param {Sentence} sentence */
export const say = sentence => spoken.say(sentence);
/** @param {string} label @returns the readable name of a finding */
export const readable = label => spoken.find(`finding.${label.replaceAll(' ', '_')}`) ?? label.replaceAll('_', ' ');
export const point = () => spoken.point;
export const locale = () => spoken.code;

/** @param {string} id @returns {Sentence} in the form of the server's sentences */
export const sentence = id => ({id, parameters: {}, text: tr(id)});

/**
 * The first of the wished languages that the page has, by its code, its primary subtag or a catalogue's `also`.
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

/** @param {any} value from the server @returns {any} the value with each sentence in it translated */
export function spokenOut(value) {
  if (Array.isArray(value)) return value.map(spokenOut);
  if (typeof value !== 'object' || value === null) return value;
  if ('id' in value && 'parameters' in value) return say(value);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, spokenOut(part)]));
}

/** @param {any} about as the server sends it @returns {About} */
export function translated(about) {
  const {refused, spec, languages, example, ...rest} = about;
  return {...spokenOut(rest), refused, spec, languages, example};
}
