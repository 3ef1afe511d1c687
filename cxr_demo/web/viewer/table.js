// Table of all films: sorts, combines films of one patient, and exports CSV.

/** @import {Film} from './types.d.ts' */
import {choose} from './actions.js';
import {csvOf, quoted} from './csv.js';
import {button, download, make, refill, setText} from './dom.js';
import {readable, say, tr} from './i18n.js';
import {percent} from './numbers.js';
import {combined, mayBeMisread} from './predictions.js';
import {answered, on, probabilityOf, resultOf, sortBy, state, takesFilms, tickFilm, ticked} from './store.js';

/** @param {HTMLElement[]} saving nodes that export all films */
export function createTable(saving) {
  const name = make('span', {});
  const place = make('div', {class: 'scroll'});
  const panel = make('div', {class: 'table films', hidden: true}, make('h3', {}, name), place,
    make('p', {class: 'soft'}, tr('ui.table.hint'), ' ',
      tr('ui.table.combined_hint')),
    make('div', {class: 'group'}, button(tr('ui.table.save'), {class: 'quiet', id: 'cxr-csv'}, saveTable), ...(takesFilms() ? saving : saving.slice(-1))));
  on('films', () => showTable(name, place));
  return panel;
}

/** @param {readonly Film[]} films with an answer */
const labelsOf = films => resultOf(films[0])?.seen.labels ?? [];

/** Each finding's combined probability over the ticked films. */
const together = () => labelsOf(ticked()).map((_, i) => combined(ticked().map(film => probabilityOf(film, i))));

/** @returns {Film[]} films with an answer, in the chosen order */
function sorted() {
  const films = answered();
  const {by, falling} = state.order;
  if (by === null || !films.length) return films;
  const i = by === 'name' ? -1 : labelsOf(films).indexOf(by);
  /** @param {Film} film */
  const value = film => i < 0 ? film.name : probabilityOf(film, i);
  return films.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (falling ? -1 : 1));
}

/** @param {HTMLElement} name @param {HTMLElement} place */
function showTable(name, place) {
  const films = sorted();
  const missing = state.films.filter(film => film.error && !resultOf(film)).length;
  const waits = state.films.length - films.length - missing;
  setText(name, [tr('ui.table.title', {done: films.length, n: state.films.length}), waits && tr('ui.table.to_come', {n: waits}),
    missing && tr('ui.table.unreadable', {n: missing})].filter(Boolean).join(', '));
  if (!films.length) return place.replaceChildren();
  const again = () => showTable(name, place);
  refill(place, [make('table', {}, headOf(films, again), make('tbody', {}, ...films.map(film => rowOf(film, films, again))), footOf(films))]);
}

/** @param {Film[]} films @param {() => void} again draws the table anew */
function headOf(films, again) {
  /** @type {(by: string, words: string) => HTMLElement} */
  const head = (by, words) => {
    const {falling} = state.order;
    const sorts = state.order.by === by;
    return make('th', {scope: 'col', 'data-by': by, 'aria-sort': !sorts ? 'none' : falling ? 'descending' : 'ascending'},
      button(`${words}${!sorts ? '' : falling ? ' \u25be' : ' \u25b4'}`, {class: 'plain'}, () => {
        sortBy(by);
        again();
      }));
  };
  return make('thead', {}, make('tr', {}, make('td', {}), head('name', tr('ui.common.film')), ...labelsOf(films).map(label => head(label, readable(label)))));
}

/** @param {Film[]} films @returns {(p: number, i: number) => HTMLTableCellElement} a probability's cell */
function cellOf(films) {
  const thresholds = resultOf(films[0])?.seen.thresholds ?? [];
  return (p, i) => {
    const threshold = thresholds[i];
    const above = threshold !== null && p >= threshold;
    return make('td', {class: above ? 'above' : null}, `${above ? '\u25b2 ' : ''}${percent(p)}`);
  };
}

/** @param {Film} film @param {Film[]} films @param {() => void} again draws the table anew */
function rowOf(film, films, again) {
  const seen = resultOf(film)?.seen;
  const tick = make('input', {type: 'checkbox', checked: film.ticked, 'aria-label': tr('ui.table.combine', {name: film.name}),
    onchange: () => {
      tickFilm(film, tick.checked);
      again();
    }});
  return make('tr', {'aria-current': film === state.film ? 'true' : null, class: seen?.doubted ? 'doubted' : null},
    make('td', {}, tick),
    make('th', {scope: 'row', title: seen?.warnings.map(say).join(' ') || null},
      seen && (seen.doubted || mayBeMisread(seen)) ? '\u26a0 ' : null, button(film.name, {class: 'plain'}, () => choose(film))),
    ...(seen?.probabilities ?? []).map(cellOf(films)));
}

/** @param {Film[]} films */
function footOf(films) {
  const many = ticked().length;
  if (many < 2) return null;
  return make('tfoot', {}, make('tr', {}, make('td', {}), make('th', {scope: 'row'}, tr('ui.table.combined', {n: many})), ...together().map(cellOf(films))));
}

function saveTable() {
  const films = sorted();
  if (!films.length) return;
  const labels = labelsOf(films);
  const revision = quoted(resultOf(films[0])?.seen.spec.revision ?? '');
  /** @param {readonly number[]} probabilities */
  const numbers = probabilities => probabilities.map(p => p.toFixed(6));
  const rows = [['file', 'model', ...labels, 'warnings'].map(quoted)];
  for (const film of films) {
    const seen = resultOf(film)?.seen;
    rows.push([quoted(film.name), revision, ...numbers(seen?.probabilities ?? []), quoted(seen?.warnings.map(({text}) => text).join(' ') ?? '')]);
  }
  for (const film of state.films) if (film.error && !resultOf(film)) rows.push([quoted(film.name), revision, ...labels.map(() => ''), quoted(film.error)]);
  if (ticked().length > 1) rows.push([quoted(`combined: ${ticked().map(film => film.name).join(', ')}`), revision, ...numbers(together()), '']);
  download(new Blob([csvOf(rows)], {type: 'text/csv'}), 'findings.csv');
}
