// From numbers to pictures: a film's grey levels and a map's values become what a canvas shows, at the place, window and
// colours that the visitor chose. Nothing here asks anybody.

// ------------------------------------------------------------------ maps: from bytes to colours

async function unpacked(maps) {
  const [planes, unsure] = await Promise.all([inflate(maps.data), maps.unsure && inflate(maps.unsure)]);
  return {...maps, planes: new Int8Array(planes), unsure: unsure && new Uint8Array(unsure), data: null, smooth: new Map()};
}

async function inflate(text) {
  return inflated(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)));
}

async function inflated(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
}

// One finding's values: int8 in steps of `scale[i]`.
const plane = (maps, i) => maps.planes.subarray(i * maps.side ** 2, (i + 1) * maps.side ** 2);
const valueAt = (maps, i, x, y) => plane(maps, i)[y * maps.side + x] * maps.scale[i];
const planeShown = (maps, i) => state.smooth ? smoothed(maps, i) : plane(maps, i);

// Blurred by a third of a cell of the 7 x 7 grid, for the eye, as `render.overlay` does; kept until other maps come.
function smoothed(maps, i) {
  if (!maps.smooth.has(i)) {
    const {side} = maps;
    const across = blurredRows(Float32Array.from(plane(maps, i)), side);
    maps.smooth.set(i, Int8Array.from(transposed(blurredRows(transposed(across, side), side), side), Math.round));
  }
  return maps.smooth.get(i);
}

function transposed(values, side) {
  return values.map((_, k) => values[(k % side) * side + Math.floor(k / side)]);
}

// A Gaussian along rows; beyond an edge the row goes on as its mirror image.
function blurredRows(values, side) {
  const sigma = side / 21;
  const reach = Math.ceil(4 * sigma);
  const weights = Array.from({length: 2 * reach + 1}, (_, k) => Math.exp(-(((k - reach) / sigma) ** 2) / 2));
  const total = weights.reduce((a, b) => a + b);
  const at = Array.from({length: side + 2 * reach}, (_, k) => {
    const x = (((k - reach) % (2 * side)) + 2 * side) % (2 * side);
    return x < side ? x : 2 * side - 1 - x;
  });
  const out = new Float32Array(values.length);
  for (let y = 0; y < values.length; y += side) {
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * values[y + at[x + k]];
      out[y + x] = sum / total;
    }
  }
  return out;
}

const stopsOf = unit => page.palettes[state.palette][unit];

// Colour of t: straight lines between the stops that Python handed over; how much it covers is |t|.
function shade(stops, t) {
  let k = 1;
  while (k < stops.length - 1 && stops[k][0] < t) k++;
  const [low, high] = [stops[k - 1], stops[k]];
  const share = (t - low[0]) / (high[0] - low[0]);
  return [1, 2, 3].map(j => low[j] + share * (high[j] - low[j]));
}

// A visitor may look at one side only; the other is then as if there were nothing.
const hidden = t => (state.side === 'for' && t < 0) || (state.side === 'against' && t > 0);

function coloured(step, limit, stops) {
  const bytes = new Uint8ClampedArray(4 * 256);  // RGBA by the value's byte
  for (let q = -127; q < 128; q++) {
    const t = clamp(q * step / limit, stops[0][0], 1);
    bytes.set([...shade(stops, t), hidden(t) ? 0 : 255 * Math.abs(t) * state.opacity], 4 * (q & 255));
  }
  return new Uint32Array(bytes.buffer);
}

function paint(maps, i, limit, stops) {
  const table = coloured(maps.scale[i], limit, stops);
  const picture = new ImageData(maps.side, maps.side);
  const pixels = new Uint32Array(picture.data.buffer);
  const values = planeShown(maps, i);
  for (let k = 0; k < pixels.length; k++) pixels[k] = table[values[k] & 255];
  if (maps.unsure && state.opacity) lines(maps, i, pixels);
  maps.canvas ??= make('canvas', {width: maps.side, height: maps.side});
  maps.canvas.getContext('2d').putImageData(picture, 0, 0);
  return maps.canvas;
}

// Dark lines over what would have another sign with other samples.
function lines(maps, i, pixels) {
  const values = plane(maps, i);
  for (let k = 0; k < pixels.length; k++) {
    if (unsureAt(maps, i, k) && !hidden(values[k]) && (k % maps.side + Math.floor(k / maps.side)) % 8 < 2) pixels[k] = 0xb0000000;
  }
}

// A bit for each cell of each finding, the first one the highest.
function unsureAt(maps, i, k) {
  const bit = i * maps.side ** 2 + k;
  return (maps.unsure[bit >> 3] >> (7 - (bit & 7))) & 1;
}

const anyUnsure = (maps, i) => Boolean(maps.unsure) && plane(maps, i).some((_, k) => unsureAt(maps, i, k));

// ------------------------------------------------------------------ the film: grey levels, and a window on them

const DEEPEST = 65535;
const NARROWEST = 1 / 256;  // window
const WHOLE = {x: 0, y: 0, zoom: 1};  // left and top in shares of the film, and how many times it is enlarged

// A film as halves of halves, finest first, so that a picture of any size is made of about as many levels as it has pixels.
function halves(width, height, values) {
  const found = [{width, height, values}];
  while (Math.max(found.at(-1).width, found.at(-1).height) > 256) {
    const {width: w, height: h, values: from} = found.at(-1);
    const [half, rows] = [Math.max(1, w >> 1), Math.max(1, h >> 1)];
    const to = new Uint16Array(half * rows);
    for (let y = 0; y < rows; y++) {
      for (let x = 0, k = 2 * y * w; x < half; x++, k += 2) to[y * half + x] = (from[k] + from[k + 1] + from[k + w] + from[k + w + 1] + 2) >> 2;
    }
    found.push({width: half, height: rows, values: to});
  }
  return found;
}

// From the picture that came with the prediction; all of the film's pixels take its place once they are here.
function levelsOf({film, image}) {
  if (!film.levels) {
    const {width, height} = image;
    const pen = make('canvas', {width, height}).getContext('2d', {willReadFrequently: true});
    pen.drawImage(image, 0, 0);
    const {data} = pen.getImageData(0, 0, width, height);
    film.levels = halves(width, height, Uint16Array.from({length: width * height}, (_, k) => 257 * data[4 * k]));
  }
  return film.levels;
}

// Undoes `fields.pixels_of`: steps along rows, high bytes before low ones.
function undone(bytes, width, height) {
  const values = new Uint16Array(width * height);
  for (let k = 0, before = 0; k < values.length; k++) {
    if (k % width === 0) before = 0;
    before = (before + (bytes[k] << 8) + bytes[values.length + k]) & DEEPEST;
    values[k] = before;
  }
  return values;
}

function greys({low, high, inverted}) {
  const table = new Uint32Array(DEEPEST + 1);
  for (let v = 0; v <= DEEPEST; v++) {
    const t = clamp((v / DEEPEST - low) / (high - low), 0, 1);
    table[v] = 0xff000000 + 0x010101 * Math.round(255 * (inverted ? 1 - t : t));
  }
  return table;
}

// Where a canvas shows the whole film, in its pixels; larger than the canvas where it is enlarged.
function frame({width, height}, view) {
  return {left: -view.x * view.zoom * width, top: -view.y * view.zoom * height, width: view.zoom * width, height: view.zoom * height};
}

// The film at the size a canvas has now; kept, since mostly only the map above it changes.
function filmAt(result, width, height, view) {
  const {low, high, inverted} = state.window;
  const levels = levelsOf(result);
  const about = [width, height, view.x, view.y, view.zoom, low, high, inverted, levels[0].width].join(' ');
  const {film} = result;
  film.drawn ??= new Map();
  const known = film.drawn.get(about);
  if (known) return known;
  const level = levels.findLast(one => one.width >= view.zoom * width) ?? levels[0];
  const [left, right] = [view.x, view.x + 1 / view.zoom].map(x => x * level.width);
  const [top, bottom] = [view.y, view.y + 1 / view.zoom].map(y => y * level.height);
  const [x0, y0] = [Math.max(0, Math.floor(left) - 1), Math.max(0, Math.floor(top) - 1)];
  const [w, h] = [Math.min(level.width, Math.ceil(right) + 1) - x0, Math.min(level.height, Math.ceil(bottom) + 1) - y0];
  const table = film.greys?.about === `${low} ${high} ${inverted}` ? film.greys.table : greys(state.window);
  film.greys = {about: `${low} ${high} ${inverted}`, table};
  const part = new ImageData(w, h);
  const pixels = new Uint32Array(part.data.buffer);
  for (let y = 0; y < h; y++) {
    const row = (y0 + y) * level.width + x0;
    for (let x = 0; x < w; x++) pixels[y * w + x] = table[level.values[row + x]];
  }
  const source = make('canvas', {width: w, height: h});
  source.getContext('2d').putImageData(part, 0, 0);
  const drawn = make('canvas', {width, height});
  const pen = drawn.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(source, left - x0, top - y0, right - left, bottom - top, 0, 0, width, height);
  if (film.drawn.size > 3) film.drawn.clear();
  film.drawn.set(about, drawn);
  return drawn;
}

// As large as its place allows, in the film's shape, and as dense as the screen.
function fit(canvas, {width, height}) {
  const place = canvas.parentElement;
  const box = Math.max(1, Math.min(place.clientWidth || 320, place.clientHeight || Infinity));
  const dense = Math.min(window.devicePixelRatio || 1, 2);
  const k = box / Math.max(width, height);
  const [w, h] = [Math.max(1, Math.round(width * k * dense)), Math.max(1, Math.round(height * k * dense))];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
  canvas.style.width = `${Math.round(width * k)}px`;
  canvas.style.height = `${Math.round(height * k)}px`;
}

// ------------------------------------------------------------------ both together

// Strips of the film that the model never saw: dimmed and hatched.
function hatch(pen, canvas, crop, view) {
  const {left, top, width, height} = frame(canvas, view);
  const [x0, y0, x1, y1] = [left + crop.left * width, top + crop.top * height,
    left + (crop.left + crop.width) * width, top + (crop.top + crop.height) * height];
  const strips = [[left, top, x0 - left, height], [x1, top, left + width - x1, height],
    [x0, top, x1 - x0, y0 - top], [x0, y1, x1 - x0, top + height - y1]].filter(([, , w, h]) => w > 0.5 && h > 0.5);
  const period = Math.max(6, Math.round(Math.max(canvas.width, canvas.height) / 64));
  for (const [x, y, w, h] of strips) {
    pen.save();
    pen.beginPath(); pen.rect(x, y, w, h); pen.clip();
    pen.fillStyle = 'rgb(0 0 0 / .67)'; pen.fill();
    pen.strokeStyle = 'rgb(115 115 115)'; pen.lineWidth = Math.max(1, period / 8);
    pen.beginPath();
    for (let d = x; d < x + w + h; d += period) { pen.moveTo(d, y); pen.lineTo(d - h, y + h); }
    pen.stroke(); pen.restore();
  }
}

// The film, with a map of one finding over it where there is one.
function picture(canvas, result, maps, limit, stops, {view = state.view, i = state.chosen, label = state.label} = {}) {
  const pen = canvas.getContext('2d');
  const {crop} = result.seen.film;
  pen.drawImage(filmAt(result, canvas.width, canvas.height, view), 0, 0);
  if (maps) {
    const {left, top, width, height} = frame(canvas, view);
    const place = [left + crop.left * width, top + crop.top * height, crop.width * width, crop.height * height];
    pen.imageSmoothingEnabled = state.smooth;
    pen.drawImage(paint(maps, i, limit, stops), ...place);
    contours(pen, maps, i, limit, place, canvas.width);
  }
  hatch(pen, canvas, crop, view);
  if (result === current()) outline(pen, canvas, view, label);  // boxes are the looked-at film's
}

// Lines of equal value at the chosen shares of the scale's end, both of what speaks for and, dashed, of what speaks against.
function contours(pen, maps, i, limit, [left, top, width, height], size) {
  const values = planeShown(maps, i);
  for (const level of state.levels.flatMap(share => [share, -share])) {
    if (hidden(level)) continue;
    const path = new Path2D();
    for (const [a, b] of isoline(values, maps.side, level * limit / maps.scale[i])) {
      path.moveTo(left + a[0] * width / maps.side, top + a[1] * height / maps.side);
      path.lineTo(left + b[0] * width / maps.side, top + b[1] * height / maps.side);
    }
    const thick = Math.max(1, size / 420);
    for (const [colour, times] of [['rgb(0 0 0 / .75)', 3], ['rgb(255 255 255)', 1.2]]) {
      pen.save();
      Object.assign(pen, {strokeStyle: colour, lineWidth: thick * times, lineCap: 'round'});
      if (level < 0) pen.setLineDash([5 * thick, 4 * thick]);
      pen.stroke(path);
      pen.restore();
    }
  }
}

// Marching squares (Lorensen and Cline 1987, in the plane): pieces of line where the values cross `level`, in cells of
// the map, whose values stand at the cells' middles.
function isoline(values, side, level) {
  const found = [];
  if (!Number.isFinite(level)) return found;
  const over = k => values[k] >= level;
  const between = (a, b) => (level - values[a]) / (values[b] - values[a]);
  for (let y = 0; y + 1 < side; y++) {
    for (let x = 0; x + 1 < side; x++) {
      const [a, b] = [y * side + x, y * side + x + 1];
      const [c, d] = [a + side, b + side];
      const kind = over(a) + 2 * over(b) + 4 * over(d) + 8 * over(c);
      if (kind === 0 || kind === 15) continue;
      const [X, Y] = [x + 0.5, y + 0.5];
      const edge = {
        top: () => [X + between(a, b), Y], right: () => [X + 1, Y + between(b, d)],
        bottom: () => [X + between(c, d), Y + 1], left: () => [X, Y + between(a, c)]};
      for (const [from, to] of CROSSED[kind]) found.push([edge[from](), edge[to]()]);
    }
  }
  return found;
}

// By which corners are over the level: 1 top left, 2 top right, 4 bottom right, 8 bottom left.
const CROSSED = {
  1: [['left', 'top']], 2: [['top', 'right']], 3: [['left', 'right']], 4: [['right', 'bottom']],
  5: [['left', 'top'], ['right', 'bottom']], 6: [['top', 'bottom']], 7: [['left', 'bottom']], 8: [['bottom', 'left']],
  9: [['top', 'bottom']], 10: [['top', 'right'], ['bottom', 'left']], 11: [['right', 'bottom']], 12: [['left', 'right']],
  13: [['top', 'right']], 14: [['left', 'top']],
};
