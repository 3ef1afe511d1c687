// How the film and its maps are looked at: enlarged and moved in step on all cards, windowed, wiped, full screen, by mouse,
// by touch and by keys. The model saw the film as it was sent, whatever is done here.

const LARGEST = 16;  // times

// ------------------------------------------------------------------ where one looks

function lookAt(x, y, zoom) {
  const closer = clamp(zoom, 1, LARGEST);
  const edge = 1 - 1 / closer;
  state.view = {x: clamp(x, 0, edge), y: clamp(y, 0, edge), zoom: closer};
  element.firstElementChild.classList.toggle('closer', closer > 1);
  say(zoomNumber, `${Math.round(100 * closer)} %`);
  zoomOut.disabled = fitAll.disabled = closer === 1;
  zoomIn.disabled = closer === LARGEST;
  askPixels();
  soon();
}

// As another film is first seen.
function lookAfresh() {
  state.window = {low: 0, high: 1, inverted: false};
  lookAt(0, 0, 1);
  setWindow(0.5, 1, false);
  say(lookStatus, '');
}

// Enlarges about a place of the film, which stays where it is on the screen.
function zoomAt(place, times) {
  const {x, y, zoom} = state.view;
  const closer = clamp(zoom * times, 1, LARGEST);
  lookAt(place.x - (place.x - x) * zoom / closer, place.y - (place.y - y) * zoom / closer, closer);
}

const middle = () => ({x: state.view.x + 0.5 / state.view.zoom, y: state.view.y + 0.5 / state.view.zoom});
const zoomBy = times => zoomAt(state.pointer ?? middle(), times);
const moveBy = (dx, dy) => lookAt(state.view.x + dx / state.view.zoom, state.view.y + dy / state.view.zoom, state.view.zoom);

// At most one drawing a frame, however fast the mouse is.
function soon() {
  if (state.drawingSoon) return;
  state.drawingSoon = true;
  requestAnimationFrame(() => { state.drawingSoon = false; draw(); });
}

// Where on the film an event happened, in shares of it.
function placeOn(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const {x, y, zoom} = state.view;
  return {x: x + (event.clientX - box.left) / box.width / zoom, y: y + (event.clientY - box.top) / box.height / zoom};
}

// All of the film's pixels and grey levels, once somebody looks closer than the picture that came first.
function askPixels() {
  const {low, high} = state.window;
  if (state.view.zoom > 1 || low > 0 || high < 1) wholeFilm();
}

// Resolves once they are here, or could not be had.
async function wholeFilm() {
  const {film} = state;
  if (!current()?.image || !current().seen.film.deeper) return;
  if (!film.pixels) {
    state.run += 1;
    film.pixels = {run: state.run, state: 'running'};
    film.pixels.ended = new Promise(resolve => { film.pixels.end = resolve; });
    trigger(EVENTS.pixels, {run: state.run, source: film.source, model: state.model});
  }
  await film.pixels.ended;
}

async function heardPixels({run, path, error}) {
  const film = state.films.find(one => one.pixels?.run === run);
  if (!film) return;
  let found = null;
  if (path) {
    try {
      const answer = await fetch(addressOf(path));
      if (answer.ok) found = new Uint8Array(await inflated(await answer.arrayBuffer()));
    } catch { /* said below */ }
  }
  if (film.pixels?.run !== run) return;
  if (!found) return noPixels(film, told(error) ?? tr('The film\u2019s own pixels could not be fetched; this is a smaller copy of it.'));
  const {width, height} = [...film.results.values()][0].seen.film;
  film.levels = halves(width, height, undone(found, width, height));
  film.pixels.state = 'done';
  film.pixels.end();
  soon();
}

// They are asked for again at the next look.
function noPixels(film, words) {
  film.pixels?.end();
  film.pixels = null;
  say(lookStatus, words);
}

const forgetPixels = film => Object.assign(film, {levels: null, drawn: null, greys: null, pixels: null});

// ------------------------------------------------------------------ mouse, touch and keys on a picture

const fingers = new Map();  // pointer id -> the last event of it
const STEPS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

function pointing(canvas) {
  const held = [];  // what is under way: {kind, from}
  canvas.addEventListener('pointerdown', event => {
    if (state.drawing && canvas === filmCanvas) return;  // a box
    point(placeOn(canvas, event));
    fingers.set(event.pointerId, event);
    held[0] = {kind: event.button === 2 ? 'window' : 'move', from: {...state.window}, x: event.clientX, y: event.clientY};
    if (fingers.size === 1 && (state.view.zoom > 1 || event.button === 2)) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (event.pointerType === 'mouse' && !event.buttons) fingers.delete(event.pointerId);  // let go somewhere else
    const before = fingers.get(event.pointerId);
    if (!before) return point(placeOn(canvas, event));
    const box = canvas.getBoundingClientRect();
    if (fingers.size === 2) pinch(canvas, event);
    else if (held[0]?.kind === 'window') {
      const {low, high} = held[0].from;
      const width = (high - low) * 2 ** ((event.clientX - held[0].x) / box.width * 4);
      setWindow((low + high) / 2 + (event.clientY - held[0].y) / box.height, width);
    } else if (state.view.zoom > 1) {
      moveBy((before.clientX - event.clientX) / box.width, (before.clientY - event.clientY) / box.height);
    }
    fingers.set(event.pointerId, event);
    point(placeOn(canvas, event));
  });
  for (const kind of ['pointerup', 'pointercancel']) canvas.addEventListener(kind, event => fingers.delete(event.pointerId));
  canvas.addEventListener('pointerleave', event => { if (!fingers.has(event.pointerId)) point(null); });
  canvas.addEventListener('blur', () => point(null));
  canvas.addEventListener('contextmenu', event => event.preventDefault());  // the right button sets the window
  canvas.addEventListener('dblclick', event => (state.view.zoom > 1 ? lookAt(0, 0, 1) : zoomAt(placeOn(canvas, event), 2)));
  // the page scrolls under a mere wheel, as pages do
  canvas.addEventListener('wheel', event => {
    const ours = event.ctrlKey || event.metaKey || (document.activeElement === canvas && (state.view.zoom > 1 || event.deltaY < 0));
    if (!ours) return;
    event.preventDefault();
    zoomAt(placeOn(canvas, event), 2 ** (-clamp(event.deltaY, -100, 100) / 200));
  }, {passive: false});
  // two fingers are ours, one scrolls the page unless the film is enlarged
  canvas.addEventListener('touchmove', event => {
    if (event.touches.length > 1 || state.view.zoom > 1) event.preventDefault();
  }, {passive: false});
  canvas.addEventListener('keydown', event => {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.shiftKey) return moveBy(step[0] / 8, step[1] / 8);
    const from = state.pointer ?? middle();
    point({x: from.x + step[0] / 56 / state.view.zoom, y: from.y + step[1] / 56 / state.view.zoom});
    say(spoken, shown().map(one => `${one.method.title} ${one.readout.textContent || tr('no map')}`).join('; '));
  });
}

function pinch(canvas, event) {
  const [one, other] = [...fingers.values()];
  const still = one.pointerId === event.pointerId ? other : one;
  const before = still === one ? other : one;
  const apart = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
  const between = (a, b) => placeOn(canvas, {clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2});
  const [from, to] = [between(before, still), between(event, still)];
  const {x, y, zoom} = state.view;
  state.view = {x: x - (to.x - from.x), y: y - (to.y - from.y), zoom};
  zoomAt(from, apart(event, still) / apart(before, still));
}

// ------------------------------------------------------------------ window and level

function setWindow(centre, width, inverted = state.window.inverted) {
  const wide = clamp(width, NARROWEST, 1);
  const at = clamp(centre, 0, 1);
  state.window = {low: at - wide / 2, high: at + wide / 2, inverted};
  level.value = at;
  contrast.value = 1 - wide;
  invert.setAttribute('aria-pressed', String(inverted));
  askPixels();
  soon();
}

// From the darkest to the brightest hundredth of the film, as far as the model sees it.
function autoWindow() {
  const result = current();
  if (!result?.image) return;
  const {crop} = result.seen.film;
  const {width, height, values} = levelsOf(result).at(-1);
  const within = (k, size, from, share) => k >= Math.floor(from * size) && k < Math.ceil((from + share) * size);
  const seen = values.filter((_, k) =>
    within(k % width, width, crop.left, crop.width) && within(Math.floor(k / width), height, crop.top, crop.height)).sort();
  const [low, high] = [0.01, 0.99].map(q => seen[Math.round(q * (seen.length - 1))] / DEEPEST);
  setWindow((low + high) / 2, high - low);
}

const slid = () => setWindow(Number(level.value), 1 - Number(contrast.value));
const level = make('input', {type: 'range', id: 'cxr-level', min: 0, max: 1, step: 0.0005, value: 0.5, oninput: slid});
const contrast = make('input', {type: 'range', id: 'cxr-contrast', min: 0, max: 1 - NARROWEST, step: 0.002, value: 0, oninput: slid});
const invert = button(tr('Invert'), {class: 'quiet', id: 'cxr-invert', 'aria-pressed': 'false', title: tr('Black for white (I)')}, () => {
  const {low, high, inverted} = state.window;
  setWindow((low + high) / 2, high - low, !inverted);
});
const auto = button(tr('Auto'), {class: 'quiet', id: 'cxr-auto', title: tr('From the film\u2019s darkest to its brightest hundredth (W)')}, autoWindow);
const full = button(tr('Full'), {class: 'quiet', id: 'cxr-full', title: tr('All grey levels (Shift+W)')}, () => setWindow(0.5, 1));

// ------------------------------------------------------------------ zoom, colours and lines

const zoomNumber = make('output', {id: 'cxr-zoom'}, '100 %');
const zoomOut = button('\u2212', {class: 'quiet', 'aria-label': tr('Zoom out'), title: tr('Zoom out (\u2212)'), disabled: true}, () => zoomBy(1 / 1.5));
const zoomIn = button('+', {class: 'quiet', 'aria-label': tr('Zoom in'), title: tr('Zoom in (+)')}, () => zoomBy(1.5));
const fitAll = button(tr('Fit'), {class: 'quiet', title: tr('The whole film (0)'), disabled: true}, () => lookAt(0, 0, 1));

function choice(id, options, chosen, heard) {
  const list = make('select', {id, onchange: () => { heard(list.value); draw(); }},
    ...options.map(([value, words]) => make('option', {value, selected: value === chosen}, words)));
  return list;
}

const palette = choice('cxr-palette', Object.keys(page.palettes).map(name => [name, tr(name)]), state.palette, name => { state.palette = name; });
const sides = choice('cxr-side', [['both', tr('for and against')], ['for', tr('for only')], ['against', tr('against only')]], state.side,
  value => { state.side = value; });
const surface = choice('cxr-surface', [['cells', tr('cells')], ['smooth', tr('smooth')]], 'cells', value => { state.smooth = value === 'smooth'; });

// What is written as percent of the scale's end, e.g. "25 50 75"; what is no such number is left out, and said.
const levels = make('input', {type: 'text', id: 'cxr-levels', size: 8, placeholder: tr('none'), inputmode: 'decimal',
  title: tr('Percent of the scale\u2019s end, e.g. 25, 50, 75 (C: 50 or none)'), oninput: () => {
    const written = levels.value.split(/[\s,;%]+/).filter(Boolean);
    const shares = written.map(Number).filter(share => share > 0 && share < 100);
    state.levels = shares.map(share => share / 100).sort();
    levels.setAttribute('aria-invalid', String(shares.length < written.length));
    say(lookStatus, shares.length < written.length ? tr('Contours are percent of the scale\u2019s end: numbers between 0 and 100.') : '');
    draw();
  }});

// ------------------------------------------------------------------ two maps under one wipe

const wipe = {a: null, b: null, at: 0.5};
const wipeCanvas = make('canvas', {role: 'img', tabindex: 0, 'aria-label': tr('Two maps under one wipe')});
const wipeStage = make('div', {class: 'stage'}, wipeCanvas, make('i', {class: 'cross', hidden: true}));
const wipeAt = make('input', {type: 'range', id: 'cxr-wipe-at', min: 0, max: 1, step: 0.005, value: 0.5, 'aria-label': tr('Where the wipe stands'),
  oninput: () => { wipe.at = Number(wipeAt.value); drawWipe(); }});
const wipeSides = {a: make('select', {'aria-label': tr('Left of the wipe')}), b: make('select', {'aria-label': tr('Right of the wipe')})};
const wipeCard = make('article', {class: 'card wipe', 'aria-label': tr('Wipe between two maps'), hidden: true},
  make('header', {}, make('h3', {}, tr('Wipe')), wipeSides.a, make('span', {class: 'unit'}, tr('left, right')), wipeSides.b),
  wipeStage, wipeAt,
  make('p', {class: 'reading'}, tr('The left part shows one map, the right part the other, each in its own scale and at the same place of the film.')));
const wipeButton = button(tr('Wipe'), {class: 'quiet', id: 'cxr-wipe', 'aria-pressed': 'false', title: tr('Two maps in one picture (M)')}, () => {
  wipeCard.hidden = !wipeCard.hidden;
  wipeButton.setAttribute('aria-pressed', String(!wipeCard.hidden));
  arrange();
  if (!wipeCard.hidden) wipeCard.scrollIntoView({block: 'nearest'});
});
for (const [name, list] of Object.entries(wipeSides)) list.addEventListener('change', () => { wipe[name] = list.value; drawWipe(); });

function drawWipe() {
  const result = current();
  wipeStage.classList.toggle('blank', !result?.image);
  if (wipeCard.hidden || !result?.image) return;
  const keys = [...shown().map(card => card.method.key), 'film'];
  if (!keys.includes(wipe.a)) [wipe.a] = keys;
  if (!keys.includes(wipe.b)) wipe.b = keys.find(key => key !== wipe.a);
  for (const [name, list] of Object.entries(wipeSides)) {
    if ([...list.options].map(option => option.value).join() !== keys.join()) {
      list.replaceChildren(...keys.map(key => make('option', {value: key}, cards.get(key)?.method.title ?? tr('the film alone'))));
    }
    list.value = wipe[name];
  }
  fit(wipeCanvas, result.image);
  const {width, height} = wipeCanvas;
  const pen = wipeCanvas.getContext('2d');
  const x = Math.round(wipe.at * width);
  for (const [key, left, wide] of [[wipe.a, 0, x], [wipe.b, x, width - x]]) {
    const card = cards.get(key);
    const maps = card && entryOf(card)?.maps;
    pen.save();
    pen.beginPath(); pen.rect(left, 0, wide, height); pen.clip();
    picture(wipeCanvas, result, maps, maps && limitOf(card, maps), card && stopsOf(card.method.unit));
    pen.restore();
  }
  for (const [colour, thick] of [['rgb(0 0 0 / .8)', 4], ['rgb(255 255 255)', 2]]) {
    pen.fillStyle = colour;
    pen.fillRect(x - thick / 2, 0, thick, height);
  }
  const named = key => cards.get(key)?.method.title ?? tr('the film alone');
  wipeCanvas.setAttribute('aria-label', tr('{left} left of {right}, {finding}', {left: named(wipe.a), right: named(wipe.b), finding: readable(state.label)}));
}

// ------------------------------------------------------------------ full screen, and keys

const whole = button(tr('Full screen'), {class: 'quiet', id: 'cxr-full-screen', title: tr('Maps on all of the screen (F)')}, () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else bench.requestFullscreen().catch(() => say(lookStatus, tr('This browser does not allow full screen here.')));
});
document.addEventListener('fullscreenchange', () => {
  say(whole, document.fullscreenElement ? tr('Leave full screen') : tr('Full screen'));
  soon();
});

const stepFilm = by => {
  const to = state.films[state.films.indexOf(state.film) + by];
  if (to) choose(to);
};
const stepFinding = by => {
  const ranked = current()?.seen.ranked;
  if (ranked) pick(ranked[clamp(ranked.indexOf(state.chosen) + by, 0, ranked.length - 1)], true);
};
const slide = by => {
  opacity.value = clamp(Number(opacity.value) + by, 0, 1);
  opacity.dispatchEvent(new Event('input'));
};
const KEYS = [
  ['+', tr('zoom in'), () => zoomBy(1.5)], ['-', tr('zoom out'), () => zoomBy(1 / 1.5)], ['0', tr('the whole film'), () => lookAt(0, 0, 1)],
  ['w', tr('window from the darkest to the brightest hundredth'), autoWindow], ['W', tr('all grey levels'), () => setWindow(0.5, 1)],
  ['i', tr('black for white'), () => invert.click()],
  ['[', tr('less colour'), () => slide(-0.1)], [']', tr('more colour'), () => slide(0.1)],
  ['s', tr('smooth, or cells'), () => { surface.value = state.smooth ? 'cells' : 'smooth'; surface.dispatchEvent(new Event('change')); }],
  ['c', tr('contour at half of the scale, or none'), () => { levels.value = levels.value ? '' : '50'; levels.dispatchEvent(new Event('input')); }],
  ['m', tr('wipe between two maps'), () => wipeButton.click()], ['f', tr('full screen'), () => whole.click()],
  ['j', tr('next finding'), () => stepFinding(1)], ['k', tr('finding before'), () => stepFinding(-1)],
  ['n', tr('next film'), () => stepFilm(1)], ['p', tr('film before'), () => stepFilm(-1)],
  ['b', tr('draw a box on the film'), () => drawBox.click()],
  ['?', tr('these keys'), () => showKeys()],
];
const OTHERS = [
  [tr('arrows'), tr('on a picture: move the place whose values are read')], [tr('Shift + arrows'), tr('on a picture: move the enlarged film')],
  [tr('drag'), tr('move the enlarged film')], [tr('right button and drag'), tr('window: up and down its level, left and right its width')],
  [tr('Enter'), tr('while a box is drawn: a corner of it, then the other; Esc ends it')],
  [tr('Ctrl + wheel, or two fingers'), tr('zoom')], [tr('double click'), tr('zoom in, or the whole film')],
];
const keysOn = make('input', {type: 'checkbox', id: 'cxr-keys-on', checked: true});
const keyDialog = make('dialog', {class: 'keys', 'aria-labelledby': 'cxr-keys-title'},
  make('h3', {id: 'cxr-keys-title'}, tr('Keys, mouse and fingers')),
  make('dl', {}, ...[...KEYS, ...OTHERS].flatMap(([key, words]) => [make('dt', {}, make('kbd', {}, key)), make('dd', {}, words)])),
  make('label', {}, keysOn, ' ', tr('single keys do something')),
  make('form', {method: 'dialog'}, make('button', {class: 'quiet'}, tr('Close'))));
const showKeys = () => keyDialog.showModal();

// Never while one types, nor over a shortcut of the browser's.
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !keysOn.checked || keyDialog.open) return;
  if (event.target.closest?.('input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]')) return;
  const known = KEYS.find(([key]) => key === event.key);
  if (!known) return;
  event.preventDefault();
  known[2]();
});

// ------------------------------------------------------------------ the bar of all this

const spoken = make('span', {class: 'sr', role: 'status'});  // what arrow keys read, for who does not see it
const lookStatus = make('p', {class: 'soft look-status', role: 'status'});  // beside the bar, which may be scrolled
const looks = make('section', {class: 'looks', 'aria-label': tr('How film and maps are looked at')},
  group(tr('Zoom'), zoomOut, zoomNumber, zoomIn, fitAll),
  group(make('label', {for: 'cxr-level'}, tr('Level')), level),
  group(make('label', {for: 'cxr-contrast'}, tr('Contrast')), contrast, auto, full, invert),
  group(make('label', {for: 'cxr-palette'}, tr('Colours')), palette, make('label', {for: 'cxr-side', class: 'sr'}, tr('Sides')), sides,
    make('label', {for: 'cxr-surface', class: 'sr'}, tr('Surface')), surface),
  group(make('label', {for: 'cxr-levels'}, tr('Contours')), levels, make('span', {}, '%')),
  group(tr('Compare'), wipeButton, whole, button(tr('Keys'), {class: 'quiet', id: 'cxr-keys'}, showKeys)),
  spoken, keyDialog);
