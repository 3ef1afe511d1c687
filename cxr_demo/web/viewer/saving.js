// Taking away: one map as a picture that says what it shows, or everything of a film in a zip.

const saveAll = button(tr('Save all'), {class: 'quiet', id: 'cxr-save-all', disabled: true,
  title: tr('A zip: maps, pictures, settings, checksums, and this view as a file of its own')}, askExport);
const saveAllStatus = make('span', {class: 'soft', role: 'status'});

// ------------------------------------------------------------------ all of a film

// All finished maps of the film, and what belongs to them, in one zip.
function askExport() {
  const result = current();
  const done = finished();
  if (!result?.image || !done.length) return;
  state.run += 1;
  const without = shown().filter(card => !done.includes(card)).map(card => card.method.title);
  result.exporting = {run: state.run, state: 'running', without: without.join(', ')};
  trigger(EVENTS.export, {run: state.run, source: state.film.source, model: state.model, finding: state.chosen,
    methods: done.map(card => card.method.key), settings: Object.fromEntries(done.map(card => [card.method.key, entryOf(card).settings])), boxes: boxesTold(state.film)});
  showExport();
}

function heardExport(answer) {
  if (answer.run === bundle.run) return heardPacked(answer);
  const exporting = current()?.exporting;
  if (exporting?.run !== answer.run || exporting.state !== 'running') return;
  Object.assign(exporting, {ahead: answer.ahead, wait: answer.wait});
  if (answer.path) {
    exporting.state = 'done';
    follow(addressOf(answer.path), answer.name);
  } else if (answer.error || answer.stopped) Object.assign(exporting, {state: 'stopped', error: answer.error ?? 'Stopped on request.'});
  showExport();
}

function showExport() {
  const exporting = current()?.exporting;
  saveAll.disabled = bundle.run !== null || exporting?.state === 'running' || !finished().length;
  say(saveAllStatus, told(exporting?.error) ?? (exporting?.state === 'running' ? waiting(exporting) ?? tr('packing\u2026')
    : exporting?.without ? tr('saved without {methods}, which had not finished', {methods: exporting.without}) : ''));
}

// ------------------------------------------------------------------ all of all films

// One zip after another, with the methods that are switched on; at the end they become one.
const bundle = {run: null, waiting: [], film: null, paths: [], failed: 0};
const saveFilms = button(tr('Save all films'), {class: 'quiet', id: 'cxr-save-films',
  title: tr('A zip with a folder for each film: maps, pictures, settings, checksums, report')}, packFilms);
const stopFilms = button(tr('Stop'), {class: 'stop', disabled: true, 'aria-label': tr('Stop saving all films')}, () => {
  trigger(EVENTS.stop, {method: 'export', run: bundle.run});
  endBundle(tr('Stopped on request.'));
});
const saveFilmsStatus = make('span', {class: 'soft', role: 'status'});

// What is asked for is settled now: another model or another setting may be chosen meanwhile.
function packFilms() {
  const about = {model: state.model, finding: spec.labels.indexOf(state.label), methods: shown().map(card => card.method.key),
    settings: Object.fromEntries(shown().map(card => [card.method.key, settingsOf(card)]))};
  const films = state.films.filter(film => film.source && (resultOf(film) || !film.error));
  Object.assign(bundle, {waiting: films.map(film => ({name: film.name, ask: {...about, source: film.source, boxes: boxesTold(film)}})), paths: [], failed: 0});
  packNext();
}

function packNext() {
  state.run += 1;
  bundle.run = state.run;
  bundle.film = bundle.waiting.shift() ?? null;
  const {film, paths, run} = bundle;
  if (!film && !paths.length) return endBundle(tr('None of the films could be saved.'));
  if (film) trigger(EVENTS.export, {run, ...film.ask});
  else trigger(EVENTS.bundle, {run, paths});
  showBundle(packing());
}

function packing() {
  const done = bundle.paths.length + bundle.failed;
  return bundle.film ? tr('{name}: {done} of {n} films done', {name: bundle.film.name, done, n: done + bundle.waiting.length + 1}) : tr('packing\u2026');
}

function heardPacked(answer) {
  if (answer.run !== bundle.run) return;
  const {film} = bundle;
  if (answer.path && film) bundle.paths.push(answer.path);
  else if (answer.path) {
    follow(addressOf(answer.path), answer.name);
    return endBundle(bundle.failed ? tr('{n} films could not be saved.', {n: bundle.failed}) : '');
  } else if (answer.stopped) bundle.waiting.unshift(film);  // another film was looked at, which ends what is under way
  else if (answer.error && film) bundle.failed += 1;
  else if (answer.error) return endBundle(told(answer.error));
  else return showBundle(waiting(answer) ?? packing());
  packNext();
}

function endBundle(words) {
  Object.assign(bundle, {run: null, film: null, waiting: []});
  showBundle(words);
}

function showBundle(words) {
  saveFilms.disabled = bundle.run !== null;
  stopFilms.disabled = bundle.run === null;
  say(saveFilmsStatus, words);
  showExport();
}

// ------------------------------------------------------------------ one picture

// The film in all its pixels, coloured as on its card; below it, what it shows.
async function save(card) {
  const result = current();
  const {seen, film} = result;
  const {maps} = entryOf(card);
  const {label, chosen: i} = state;
  const [limit, stops] = [limitOf(card, maps), stopsOf(card.method.unit)];
  await wholeFilm();
  if (result !== current()) return;  // another film is looked at meanwhile
  const [{width, height}] = levelsOf(result);
  const drawn = make('canvas', {width, height});
  picture(drawn, result, maps, limit, stops, {view: WHOLE, i});
  film.drawn.clear();
  const signedMap = stops[0][0] < 0;
  const whole = captioned(drawn, stops, {
    title: tr('{method} \u00b7 {finding} \u00b7 probability {p}', {method: card.method.title, finding: readable(label), p: percent(seen.probabilities[i])}),
    ticks: signedMap ? [tr('{value} against', {value: signed(-limit)}), '0', tr('for {value}', {value: signed(limit)})]
      : ['0', signed(limit / 2, limit), signed(limit)],
    notes: [tr('Colours: {unit}', {unit: told(card.method.unit)}), anyUnsure(maps, i) && tr('Dark lines: the sign is unsure'),
      boxesOf(label).length ? tr('Green: where somebody says the finding is') : '',
      state.levels.length && tr('Lines: {levels} % of the scale\u2019s end', {levels: state.levels.map(share => Math.round(100 * share)).join(', ')}),
      ...seen.warnings.map(warning => `\u26a0 ${told(warning)}`), tr('Model {name}', {name: spec.revision}), tr('File {name}', {name: seen.film.name}),
      page.notice].filter(Boolean)});
  whole.toBlob(blob => download(blob, `${stem(seen.film.name)}-${card.method.key}-${label}.png`));
}

// A picture with a strip below it, as `render.captioned` has it.
function captioned(drawn, stops, {title, ticks, notes}) {
  const {width, height} = drawn;
  const size = Math.max(11, Math.round(width / 56));
  const [margin, leading] = [Math.floor(size / 2), Math.round(1.4 * size)];
  const inner = width - 2 * margin;
  const fonts = {bold: `bold ${size}px sans-serif`, plain: `${size}px sans-serif`};
  const ruler = make('canvas').getContext('2d');
  const lines = (text, font) => { ruler.font = font; return wrapped(text, inner, part => ruler.measureText(part).width); };
  const head = lines(title, fonts.bold);
  const wide = Math.max(...lines(ticks.join(' '), fonts.plain).map(line => ruler.measureText(line).width));
  const values = lines(ticks.join(' '), fonts.plain).length > 1 || wide > inner * 0.8 ? lines(ticks.join(' \u00b7 '), fonts.plain) : null;
  const foot = notes.flatMap(note => lines(note, fonts.plain));
  const strip = 2 * margin + size + leading * (head.length + (values?.length ?? 1) + foot.length);
  const whole = make('canvas', {width, height: height + strip});
  const pen = whole.getContext('2d');
  pen.drawImage(drawn, 0, 0);
  pen.fillStyle = 'white';
  pen.fillRect(0, height, width, strip);
  let y = height + margin;
  const write = (text, font, x = margin, align = 'left') => { Object.assign(pen, {font, fillStyle: 'rgb(32 32 32)', textAlign: align}); pen.fillText(text, x, y + size); };
  for (const line of head) { write(line, fonts.bold); y += leading; }
  for (let x = 0; x < inner; x++) {
    const t = stops[0][0] + (1 - stops[0][0]) * (x + 0.5) / inner;
    const cover = hidden(t) ? 0 : Math.abs(t) * state.opacity;
    pen.fillStyle = `rgb(${shade(stops, t).map(level => Math.round(level * cover + 127.5 * (1 - cover))).join(' ')})`;
    pen.fillRect(margin + x, y, 1, size);
  }
  y += size;
  if (values) for (const line of values) { write(line, fonts.plain); y += leading; }
  else {
    ticks.forEach((tick, k) => write(tick, fonts.plain, margin + inner * k / 2, ['left', 'center', 'right'][k]));
    y += leading;
  }
  for (const line of foot) { write(line, fonts.plain); y += leading; }
  return whole;
}

// Lines no wider than this: broken at spaces, and within a word that is wider by itself.
function wrapped(text, most, widthOf) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (widthOf(longer) <= most) { lines[lines.length - 1] = longer; continue; }
    if (lines.at(-1)) lines.push('');
    for (const letter of word) {
      if (lines.at(-1) && widthOf(lines.at(-1) + letter) > most) lines.push('');
      lines[lines.length - 1] += letter;
    }
  }
  return lines;
}

function download(blob, name) {
  const address = URL.createObjectURL(blob);
  follow(address, name);
  URL.revokeObjectURL(address);
}

const follow = (href, name) => make('a', {href, download: name}).click();
