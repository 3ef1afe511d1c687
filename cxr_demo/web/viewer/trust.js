// How far the maps can be believed: measured by the server once they are complete, shown here and in a line on each card.

const LINES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'];  // Okabe and Ito 2008: told apart by all
const CONTROL = {random: {title: tr('random map'), dash: '2 3'}, lungs: {title: tr('the lungs alone'), dash: '7 3'}};
const MARKS = {supported: '\u2713', anatomy: '\u2248', random: '\u2715', undefined: '?'};
const SVG = 'http://www.w3.org/2000/svg';

// A method has the same colour on every chart.
const colourOf = name => LINES[Math.max(0, page.methods.findIndex(method => method.key === name)) % LINES.length];
const titleOf = key => page.methods.find(method => method.key === key)?.title ?? key;
const figure = (value, digits = 2) => value === null || value === undefined ? '\u2013'
  : fixed(Number(value.toFixed(digits)) || 0, digits).replace('-', '\u2212');
const share = value => value === null || value === undefined ? '\u2013' : `${Math.round(100 * value)} %`;
const trusted = () => current()?.trust ?? null;
const boxesOf = label => state.film?.boxes?.filter(box => box.label === label) ?? [];
const boxesHere = () => boxesOf(state.label);
const boxesTold = film => (film.boxes ?? []).filter(box => spec.labels.includes(box.label)).map(({label, edges}) => ({label, edges}));

// ------------------------------------------------------------------ asking and hearing

const finished = () => shown().filter(card => entryOf(card)?.state === 'done');

// Once every card that is switched on has ended, and nothing newer was asked.
function askTrust(again = false) {
  const result = current();
  const done = finished();
  if (!result?.image || !done.length || shown().some(card => ['running', 'stopping'].includes(entryOf(card)?.state))) return;
  const about = done.map(card => `${card.method.key}:${entryOf(card).run}`).join(' ');
  if (!again && result.trust?.about === about) return;
  state.run += 1;
  const boxes = boxesTold(state.film);
  result.trust = {...(result.trust?.about === about ? result.trust : {}), about, asked: JSON.stringify(boxes), run: state.run, state: 'running', error: null};
  trigger(EVENTS.trust, {run: state.run, source: state.film.source, model: state.model, finding: state.chosen,
    methods: done.map(card => card.method.key), boxes});
  showTrust();
}

function heardTrust(answer) {
  const result = current();
  if (!result?.trust || result.trust.run !== answer.run || answer.busy) return;
  if (answer.ahead !== undefined) return Object.assign(result.trust, {ahead: answer.ahead, wait: answer.wait}), showTrust();
  if (answer.stopped) result.trust = null;
  else Object.assign(result.trust, {ahead: null}, answer, {state: answer.error ? 'stopped' : 'done'});
  const {curves, overlay} = answer;
  if (curves) {
    const own = {curves, overlay: null};  // of one finding; those of the others stay
    (result.trust.measured ??= new Map()).set(answer.finding, own);
    if (overlay) inflate(overlay.data).then(found => { own.overlay = {side: overlay.side, planes: new Int8Array(found)}; showTrust(); });
  }
  showTrust();
}

function askScramble() {
  const result = current();
  const done = finished();
  if (!result?.image || !done.length) return;
  state.run += 1;
  result.scramble = {run: state.run, depth: depth.value, maps: new Map(), state: 'running'};
  trigger(EVENTS.scramble, {run: state.run, source: state.film.source, model: state.model, depth: depth.value,
    methods: done.map(card => card.method.key)});
  showScramble();
}

async function heardScramble(answer) {
  const scrambling = current()?.scramble;
  if (!scrambling || scrambling.run !== answer.run) return;
  Object.assign(scrambling, {ahead: answer.ahead, wait: answer.wait});
  if (answer.ahead !== undefined || answer.busy) return showScramble();
  if (answer.error && !answer.method) Object.assign(scrambling, {state: 'stopped', error: answer.error});
  else if (answer.complete) scrambling.state = 'done';
  else scrambling.maps.set(answer.method, {kept: answer.kept, error: answer.error,
    maps: answer.maps && await unpacked(answer.maps)});
  showScramble();
}

// ------------------------------------------------------------------ one line on each card

function trustLine(card) {
  const found = trusted()?.methods?.[card.method.key];
  const i = state.chosen;
  const fits = found && trusted().about.includes(`${card.method.key}:${entryOf(card)?.run}`);
  card.trust.hidden = !fits;
  if (!fits) return;
  card.trust.dataset.verdict = found.verdict[i];
  const kept = current().scramble?.maps.get(card.method.key)?.kept?.[i];
  const stays = kept >= page.stays ? tr('It stays with scrambled weights: it is not about this model.') : '';
  say(card.trust, [MARKS[found.verdict[i]], told(found.says[i]), stays].filter(Boolean).join(' '));
}

// ------------------------------------------------------------------ deletion and insertion

function shape(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function chart(title, hint, curves, kind) {
  const [width, height, left, bottom, above] = [330, 190, 40, 24, 8];
  const values = curves.lines.flatMap(line => [...line.deletion, ...line.insertion]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = t => left + t * (width - left - 14);
  const y = v => above + (1 - (v - low) / (high - low || 1)) * (height - above - bottom);
  const words = curves.lines.map(line => tr('{name} from {first} to {last}', {name: nameOf(line.name), first: figure(line[kind][0]), last: figure(line[kind].at(-1))}));
  const plot = shape('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${title}: ${words.join(', ')}`});
  for (const t of [0, 0.25, 0.5, 0.75, 1]) {
    plot.append(shape('line', {x1: x(t), x2: x(t), y1: above, y2: height - bottom, class: 'grid'}),
      shape('text', {x: x(t), y: height - 8, 'text-anchor': 'middle'}, `${100 * t}`));
  }
  for (const v of [low, (low + high) / 2, high]) {
    plot.append(shape('line', {x1: left, x2: width - 14, y1: y(v), y2: y(v), class: 'grid'}),
      shape('text', {x: left - 4, y: y(v) + 4, 'text-anchor': 'end'}, figure(v, 1)));
  }
  curves.lines.forEach(line => {
    const control = CONTROL[line.name];
    plot.append(shape('polyline', {
      points: curves.shares.map((t, j) => `${x(t)},${y(line[kind][j])}`).join(' '), 'data-line': line.name,
      fill: 'none', 'stroke-width': control ? 1.6 : 2.2, stroke: control ? 'currentColor' : colourOf(line.name),
      'stroke-dasharray': control?.dash ?? ''}));
  });
  return make('figure', {}, make('figcaption', {}, make('b', {}, title), ` ${hint}`), plot);
}

const nameOf = name => CONTROL[name]?.title ?? titleOf(name);

function legend(curves) {
  return make('ul', {class: 'legend'}, ...curves.lines.map(line => make('li', {},
    make('i', {style: CONTROL[line.name] ? `border-top: 2px ${line.name === 'random' ? 'dotted' : 'dashed'} currentColor`
      : `border-top: 3px solid ${colourOf(line.name)}`}),
    tr('{name}: gap {value}', {name: nameOf(line.name), value: figure(line.gap)}))));
}

function curvesBlock(found) {
  const stale = !found.measured.has(state.chosen);
  const i = stale ? found.finding : state.chosen;
  const {curves} = found.measured.get(i);
  const name = readable(current().seen.labels[i]);
  return make('div', {class: 'block curves'},
    make('h4', {}, tr('Deletion and insertion, {finding}', {finding: name})),
    make('p', {class: 'soft'}, tr('The score (logit) as the places that a map ranks highest are covered first, or shown first.'), ' ',
      tr('Gap: area of insertion less area of deletion; zero in the mean of random maps.')),
    make('div', {class: 'charts'},
      chart(tr('Deletion'), tr('% covered; lower is better'), curves, 'deletion'),
      chart(tr('Insertion'), tr('% shown; higher is better'), curves, 'insertion')),
    legend(curves),
    stale ? button(tr('Measure {finding}', {finding: readable(current().seen.labels[state.chosen])}), {class: 'quiet measure'}, () => askTrust(true)) : null);
}

// ------------------------------------------------------------------ agreement

// How the small pictures below are drawn, whenever one looks elsewhere; what is no longer on the page is not.
const smalls = {agreement: null, scrambled: []};
const drawSmalls = () => [smalls.agreement, ...smalls.scrambled].forEach(redraw => redraw?.());

function agreementBlock(found) {
  const i = state.chosen;
  const rows = found.agreement.map(pair => make('tr', {},
    make('th', {scope: 'row'}, tr('{one} and {other}', {one: titleOf(pair.pair[0]), other: titleOf(pair.pair[1])})),
    make('td', {}, figure(pair.rank[i])), make('td', {class: 'soft'}, figure(pair.rankOthers[i])),
    make('td', {}, share(pair.top[i])), make('td', {class: 'soft'}, share(pair.topOthers[i]))));
  const canvas = make('canvas', {role: 'img',
    'aria-label': tr('Where all maps agree, in the colours of the maps, and where they contradict, in purple')});
  const stage = make('div', {class: 'stage small'}, canvas);
  const overlay = found.measured.get(i)?.overlay;
  if (overlay) smalls.agreement = () => drawAgreement(canvas, overlay);
  requestAnimationFrame(drawSmalls);
  return make('div', {class: 'block'},
    make('h4', {}, tr('Do the methods agree?')),
    make('div', {class: 'beside'},
      make('table', {}, make('thead', {}, make('tr', {}, make('td'), ...[tr('rank correlation'), tr('other findings'), tr('top tenth shared'), tr('other findings')]
        .map(text => make('th', {scope: 'col'}, text)))), make('tbody', {}, ...rows)),
      overlay ? stage : null),
    make('p', {class: 'soft'}, tr('Maps of different findings agree too, by anatomy alone: only what exceeds that is agreement.'), ' ',
      tr('Agreeing maps can be wrong together.')));
}

function drawAgreement(canvas, overlay) {
  const result = current();
  if (!result?.image || !canvas.isConnected) return;
  fit(canvas, result.image);
  const {side, planes} = overlay;
  const [agreed, conflict] = [planes.subarray(0, side ** 2), planes.subarray(side ** 2)];
  const pixels = new ImageData(side, side);
  const stops = Object.values(page.palettes[state.palette]).find(table => table[0][0] < 0);
  for (let k = 0; k < side ** 2; k++) {
    const [a, c] = [agreed[k] / 127, conflict[k] / 127];
    pixels.data.set(c > Math.abs(a) ? [150, 40, 200, 255 * c] : [...shade(stops, a), 255 * Math.abs(a)], 4 * k);
  }
  const small = make('canvas', {width: side, height: side});
  small.getContext('2d').putImageData(pixels, 0, 0);
  const pen = canvas.getContext('2d');
  const {crop} = result.seen.film;
  const {left, top, width, height} = frame(canvas, state.view);
  pen.drawImage(filmAt(result, canvas.width, canvas.height, state.view), 0, 0);
  pen.drawImage(small, left + crop.left * width, top + crop.top * height, crop.width * width, crop.height * height);
  hatch(pen, canvas, crop, state.view);
}

// ------------------------------------------------------------------ where the evidence lies

function placesBlock(found) {
  const i = state.chosen;
  const rows = Object.entries(found.methods).map(([key, m]) => make('tr', {},
    make('th', {scope: 'row'}, titleOf(key)), make('td', {}, share(m.outside_lungs[i])), make('td', {}, share(m.at_border[i])),
    make('td', {}, figure(m.stability[i])), make('td', {}, figure(m.faithfulness[i]))));
  const order = found.marker.map((_, k) => k).sort((a, b) => found.marker[b] - found.marker[a]);
  const most = order.slice(0, 3).map(k => `${readable(current().seen.labels[k])} ${figure(found.marker[k])}`).join(', ');
  return make('div', {class: 'block'},
    make('h4', {}, tr('Shortcuts and steadiness')),
    make('table', {}, make('thead', {}, make('tr', {}, make('td'), ...[tr('outside the lungs'), tr('at the border'), tr('stability'), tr('faithfulness r')]
      .map(text => make('th', {scope: 'col'}, text)))), make('tbody', {}, ...rows)),
    make('p', {class: 'soft'}, told(found.lungs), ' ', tr('A letter pasted into a corner moves this finding\u2019s logit by {value}; most of all: {most}.', {value: figure(found.marker[i]), most})));
}

// ------------------------------------------------------------------ a model that has unlearnt

const depth = make('select', {id: 'cxr-depth'}, ...page.depths.map(name => make('option', {value: name}, tr(name))));
const scrambleButton = button(tr('Scramble the model'), {class: 'quiet', id: 'cxr-scramble'}, askScramble);
const scrambleStatus = make('span', {class: 'soft', role: 'status'});
const scrambleMaps = make('div', {class: 'smalls'});
const scrambleBlock = make('div', {class: 'block scrambling'},
  make('h4', {}, tr('Are the maps about this model?')),
  make('p', {class: 'soft'}, tr('Permutes weights and explains again. A map that stays shows the film or the method, not what the model learnt.')),
  make('div', {class: 'group'}, make('label', {for: 'cxr-depth'}, tr('Permute')), depth, scrambleButton, scrambleStatus), scrambleMaps);

function showScramble() {
  const result = current();
  const scrambling = result?.scramble;
  scrambleButton.disabled = scrambling?.state === 'running' || !finished().length;
  scrambleBlock.dataset.state = scrambling?.state ?? 'idle';
  say(scrambleStatus, told(scrambling?.error) ?? (scrambling?.state === 'running' ? waiting(scrambling) ?? tr('explaining the scrambled model\u2026') : ''));
  smalls.scrambled = [];
  scrambleMaps.replaceChildren(...[...(scrambling?.maps ?? [])].map(([key, found]) => {
    const kept = found.kept?.[state.chosen];
    const canvas = make('canvas', {role: 'img', 'aria-label': tr('{method} of the scrambled model', {method: titleOf(key)})});
    const verdict = told(found.error) ?? (kept === null || kept === undefined ? tr('one of the maps is empty')
      : kept >= page.stays ? tr('keeps {value}: stays', {value: figure(kept)}) : tr('keeps {value}: changes', {value: figure(kept)}));
    if (found.maps) smalls.scrambled.push(() => {
      if (!canvas.isConnected || result !== current()) return;
      fit(canvas, result.image);
      picture(canvas, result, found.maps, found.maps.limit[state.chosen], stopsOf(cards.get(key).method.unit));
    });
    return make('figure', {class: kept >= page.stays ? 'stays' : null}, make('div', {class: 'stage small'}, canvas),
      make('figcaption', {}, make('b', {}, titleOf(key)), ` ${verdict}`));
  }));
  requestAnimationFrame(drawSmalls);
  shown().forEach(trustLine);
}

// ------------------------------------------------------------------ boxes that the visitor draws

const drawBox = button(tr('Draw a box'), {class: 'quiet', id: 'cxr-draw-box', 'aria-pressed': 'false'}, () => drawing(!state.drawing));
const boxNote = make('p', {class: 'soft', role: 'status'});  // beside the film, where the visitor looks
filmNotes.before(boxNote);

function drawing(on) {
  Object.assign(state, {drawing: on, corner: null, pulled: null});
  drawBox.setAttribute('aria-pressed', String(on));
  filmStage.classList.toggle('drawing', on);
  say(boxNote, on ? tr('Press, pull and let go on the film; or with keys: arrows, Enter, arrows, Enter. Esc ends it.') : '');
  if (on) {
    filmStage.scrollIntoView({block: 'nearest'});
    filmCanvas.focus({preventScroll: true});
  }
  draw();
}

const clearBoxes = button(tr('Remove boxes'), {class: 'quiet'}, () => {
  if (!state.film) return;
  state.film.boxes = (state.film.boxes ?? []).filter(box => box.label !== state.label);
  keepFilms();
  draw();
  askTrust(true);
});
const boxTable = make('div', {});
const boxBlock = make('div', {class: 'block boxes'},
  make('h4', {}, tr('Does the map lie where the finding is?')),
  make('p', {class: 'soft'}, tr('Draw where you see the chosen finding, on the film above: press, pull, let go. Or drop a table of boxes (CSV) with your films.')),
  make('div', {class: 'group'}, drawBox, clearBoxes), boxTable);

// ------------------------------------------------------------------ boxes of a table that was dropped with the films

const table = new Map();  // stem of a file's name -> boxes in its pixels
const stem = name => name.replace(/\.[^.]*$/, '');
let awaited = null;  // a table none of whose films is here yet: {words, read}
const OTHER_NAMES = {Infiltrate: 'Infiltration'};  // as the NIH's own list of boxes has it

// Lines of a table (RFC 4180): cells may be quoted, and hold commas, lines and doubled quotes.
function cells(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.replace(/^\ufeff/, '').matchAll(/(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1).push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '') break;
    if (end !== ',') rows.push([]);
  }
  return rows.filter(row => row.length > 1);
}

// A table of ours (`file`, `boxes`: a JSON list of label, x, y, w, h), or the NIH's list: file, finding, x, y, w, h.
function readBoxes(name, text) {
  const [head, ...rows] = cells(text);
  const [file, boxes] = ['file', 'boxes'].map(column => head?.indexOf(column) ?? -1);
  const read = new Map();
  let wrong = 0;
  for (const row of rows) {
    let listed = [null];
    try {
      listed = boxes >= 0 ? JSON.parse(row[boxes] || '[]') : [{label: row[1], x: Number(row[2]), y: Number(row[3]), w: Number(row[4]), h: Number(row[5])}];
    } catch { /* not JSON: one that is wrong */ }
    const all = Array.isArray(listed) ? listed : [null];
    const good = all.filter(box => box?.label && [box.x, box.y, box.w, box.h].every(Number.isFinite) && box.w > 0 && box.h > 0);
    wrong += all.length - good.length;
    const key = stem(row[file >= 0 ? file : 0]);
    if (good.length) read.set(key, [...(read.get(key) ?? []), ...good.map(box => ({...box, from: name}))]);
  }
  for (const [key, found] of read) table.set(key, [...(table.get(key) ?? []).filter(box => box.from !== name), ...found]);
  const found = [...read.values()].flat();
  const here = state.films.some(film => read.has(stem(film.name)));
  const others = found.filter(box => !spec.labels.includes(OTHER_NAMES[box.label] ?? box.label)).length;
  const words = [
    found.length ? tr('{n} boxes read from {name}.', {n: found.length, name}) : '',
    wrong && (found.length || boxes >= 0) ? tr('{n} entries of {name} are no boxes: each needs label, x, y, w and h, in pixels of the file.', {n: wrong, name}) : '',
    !found.length && !(wrong && boxes >= 0) ? tr('{name} holds no boxes: it needs the columns file and boxes, or those of the NIH\u2019s list of boxes.', {name}) : '',
    others ? tr('{n} of them are of findings that this model does not predict.', {n: others}) : ''].filter(Boolean).join(' ');
  awaited = found.length && !here ? {words, read} : null;
  say(boxNote, awaited ? `${words} ${tr('None is of a film that is here yet.')}` : words);
  for (const film of state.films) for (const result of film.results.values()) giveBoxes(film, result.seen.film);
  if (current()) { draw(); askTrust(true); }
}

const turnsOf = correction => page.turns[correction] ?? 0;

// Edges on a film that is turned left by so many quarters.
const turned = (edges, quarters) => {
  for (let k = 0; k < (quarters + 4) % 4; k++) edges = [edges[1], 1 - edges[2], edges[3], 1 - edges[0]];
  return edges;
};

// Those of a film, once its size is known; what the visitor drew stays. A table has them on the film as it was sent.
function giveBoxes(film, size) {
  const turns = turnsOf(film.source?.correction);
  const [width, height] = turns % 2 ? [size.height, size.width] : [size.width, size.height];
  const known = (table.get(stem(film.name)) ?? []).map(({label, x, y, w, h}) => ({
    label: OTHER_NAMES[label] ?? label, given: true, edges: turned([x / width, y / height, (x + w) / width, (y + h) / height], turns)}));
  const inside = known.filter(({edges: [left, top, right, bottom]}) => left < 1 && top < 1 && right > 0 && bottom > 0);
  if (awaited?.read.has(stem(film.name))) {
    say(boxNote, awaited.words);
    awaited = null;
  }
  if (known.length) film.boxes = [...(film.boxes ?? []).filter(box => !box.given), ...inside];
  if (known.length > inside.length) {
    say(boxNote, tr('{n} boxes of {name} lie beside the film: they should be in pixels of this very file.', {n: known.length - inside.length, name: film.name}));
  }
  keepFilms();
}

const edgesOf = (a, b) => [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)].map(edge => clamp(edge, 0, 1));

filmCanvas.addEventListener('pointerdown', event => {
  if (!state.drawing || !current()) return;
  filmCanvas.setPointerCapture(event.pointerId);
  state.corner = placeOn(filmCanvas, event);
});
filmCanvas.addEventListener('pointermove', event => {
  if (!state.corner) return;
  state.pulled = edgesOf(state.corner, placeOn(filmCanvas, event));
  draw();
});
filmCanvas.addEventListener('pointerup', event => { if (state.corner) finishBox(placeOn(filmCanvas, event)); });
// after the canvas itself, where arrows move the place
filmStage.addEventListener('keydown', event => {
  if (!state.drawing || !current()) return;
  const here = state.pointer ?? middle();
  if (['Enter', ' '].includes(event.key)) {
    event.preventDefault();
    point(here);
    if (state.corner) return finishBox(here);
    state.corner = here;
  } else if (state.corner) state.pulled = edgesOf(state.corner, here);
  draw();
});
document.addEventListener('keydown', event => { if (event.key === 'Escape' && state.drawing) drawing(false); });

function finishBox(place) {
  const edges = edgesOf(state.corner, place);
  Object.assign(state, {corner: null, pulled: null});
  // a click is no box
  if (edges[2] - edges[0] > 0.01 && edges[3] - edges[1] > 0.01) {
    drawing(false);
    if (guessing()) {
      guessOf(state.film).edges = edges;
      showQuiz();
    } else {
      (state.film.boxes ??= []).push({label: state.label, edges});
      keepFilms();
      askTrust(true);
    }
  }
  draw();
}

function outline(pen, canvas, view, label) {
  const film = frame(canvas, view);
  const known = guessing() ? [state.film.guess?.edges].filter(present) : boxesOf(label).map(box => box.edges);
  const truth = quiz.on && state.film.guess?.revealed ? truthEdges() : [];
  for (const [ink, edges] of [...truth.map(one => ['rgb(255 214 70)', one]), ...[...known, state.pulled].filter(present).map(one => ['rgb(120 255 160)', one])]) {
    const [left, top, right, bottom] = edges;
    for (const [colour, thick] of [['rgb(0 0 0 / .8)', 4], [ink, 2]]) {
      Object.assign(pen, {strokeStyle: colour, lineWidth: Math.max(1, thick * canvas.width / 500)});
      pen.strokeRect(film.left + left * film.width, film.top + top * film.height, (right - left) * film.width, (bottom - top) * film.height);
    }
  }
}

function showBoxes(found) {
  const now = state.film && found?.asked === JSON.stringify(boxesTold(state.film));
  const measured = now ? Object.entries(found.boxes?.[state.label] ?? {}) : [];
  boxTable.replaceChildren(...(measured.length ? [make('table', {},
    make('thead', {}, make('tr', {}, make('td'), ...[tr('peak inside'), tr('energy in box'), tr('IoU'), tr('best IoU of its pieces')].map(t => make('th', {scope: 'col'}, t)))),
    make('tbody', {}, ...measured.map(([key, m]) => make('tr', {}, make('th', {scope: 'row'}, titleOf(key)),
      make('td', {}, m.pointing === null ? '\u2013' : m.pointing ? tr('yes') : tr('no')),
      make('td', {}, figure(m.energy)), make('td', {}, figure(m.iou)), make('td', {}, figure(m.ceiling))))))]
    : boxesHere().length && found?.methods ? [button(tr('Measure the boxes'), {class: 'quiet', id: 'cxr-measure-boxes'}, () => askTrust(true))] : []));
  clearBoxes.disabled = !boxesHere().length;
}

// ------------------------------------------------------------------ the panel

const measuredBlocks = make('div', {class: 'blocks'});
const trustStatus = make('span', {class: 'soft', role: 'status'});
const panel = make('section', {class: 'believe', 'aria-label': tr('Can these maps be believed?'), hidden: true},
  make('header', {}, make('h3', {}, tr('Can these maps be believed?')), trustStatus), measuredBlocks,
  make('div', {class: 'blocks'}, boxBlock, scrambleBlock));

function showTrust() {
  const result = current();
  const found = trusted();
  panel.hidden = !result?.image;
  if (panel.hidden) return;
  panel.dataset.state = found?.state ?? 'idle';
  say(trustStatus, told(found?.error) ?? {running: waiting(found ?? {}) ?? tr('measuring\u2026'), done: tr('measured in {seconds} s', {seconds: figure(found?.seconds, 1)})}[found?.state]
    ?? tr('measured once the maps are complete'));
  measuredBlocks.replaceChildren(...(found?.methods ? [curvesBlock(found), found.agreement.length ? agreementBlock(found) : null, placesBlock(found)].filter(Boolean) : []));
  showBoxes(found);
  showScramble();
}
