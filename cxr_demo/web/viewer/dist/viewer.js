// Made by `make viewer`; sources sha256:4bf24d9d708030f2ccceab98049000892240ba8fc05485ad995274b84edee0ed
"use strict";
var viewer = (() => {
  var __defProp = Object.defineProperty;
  var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
  var __getOwnPropNames = Object.getOwnPropertyNames;
  var __hasOwnProp = Object.prototype.hasOwnProperty;
  var __export = (target, all) => {
    for (var name in all)
      __defProp(target, name, { get: all[name], enumerable: true });
  };
  var __copyProps = (to, from, except, desc) => {
    if (from && typeof from === "object" || typeof from === "function") {
      for (let key of __getOwnPropNames(from))
        if (!__hasOwnProp.call(to, key) && key !== except)
          __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
    }
    return to;
  };
  var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

  // cxr_demo/web/viewer/main.js
  var main_exports = {};
  __export(main_exports, {
    start: () => start2,
    startRecorded: () => startRecorded
  });

  // cxr_demo/web/viewer/csv.js
  var SEPARATORS = [",", ";", "	", "|"];
  function decoded(bytes) {
    const [first, second] = new Uint8Array(bytes);
    if (first === 255 && second === 254) return new TextDecoder("utf-16le").decode(bytes);
    if (first === 254 && second === 255) return new TextDecoder("utf-16be").decode(bytes);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return new TextDecoder("windows-1252").decode(bytes);
    }
  }
  function separatorIn(text) {
    const bare = text.trimStart().split(/\r|\n/, 1)[0].replace(/"[^"]*"/g, "");
    const counts = SEPARATORS.map((separator) => bare.split(separator).length);
    return SEPARATORS[counts.indexOf(Math.max(...counts))];
  }
  function parseCsv(text) {
    const separator = separatorIn(text);
    const between = separator === "|" ? "\\|" : separator;
    const rows = [[]];
    for (const [, quoted2, plain, end] of text.replace(/^\ufeff/, "").matchAll(new RegExp(`(?:"((?:[^"]|"")*)"|([^${between}"\\r\\n]*))(${between}|\\r?\\n|\\r|$)`, "g"))) {
      rows[rows.length - 1].push(quoted2?.replaceAll('""', '"') ?? plain);
      if (end === "") break;
      if (end !== separator) rows.push([]);
    }
    return rows.filter((row2) => row2.length > 1 && row2.some((cell3) => cell3.trim()));
  }
  var quoted = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  var csvOf = (rows) => rows.map((row2) => `${row2.join(",")}\r
`).join("");

  // cxr_demo/web/viewer/geometry.js
  var clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  function frame({ width, height }, view) {
    return { left: -view.x * view.zoom * width, top: -view.y * view.zoom * height, width: view.zoom * width, height: view.zoom * height };
  }
  function within({ left, top, width, height }, crop) {
    return { left: left + crop.left * width, top: top + crop.top * height, width: crop.width * width, height: crop.height * height };
  }
  function placeIn(place, crop) {
    const [x, y] = [(place.x - crop.left) / crop.width, (place.y - crop.top) / crop.height];
    return x < 0 || x >= 1 || y < 0 || y >= 1 ? null : { x, y };
  }
  function turned(edges, quarters) {
    let [left, top, right, bottom] = edges;
    for (let k = 0; k < (quarters + 4) % 4; k++) [left, top, right, bottom] = [top, 1 - right, bottom, 1 - left];
    return [left, top, right, bottom];
  }
  function corrected(edges, quarters, part = [0, 0, 1, 1]) {
    const [left, top, right, bottom] = part;
    const across = (x) => (x - left) / (right - left);
    const down = (y) => (y - top) / (bottom - top);
    return turned([across(edges[0]), down(edges[1]), across(edges[2]), down(edges[3])], quarters);
  }
  function asSent(edges, quarters, part = [0, 0, 1, 1]) {
    const [left, top, right, bottom] = part;
    const [a, b, c, d] = turned(edges, -quarters);
    return [left + a * (right - left), top + b * (bottom - top), left + c * (right - left), top + d * (bottom - top)];
  }
  function edgesOf(a, b) {
    return [clamp(Math.min(a.x, b.x), 0, 1), clamp(Math.min(a.y, b.y), 0, 1), clamp(Math.max(a.x, b.x), 0, 1), clamp(Math.max(a.y, b.y), 0, 1)];
  }
  function overlapOf([a, b, c, d], [e, f, g, h]) {
    const shared = Math.max(0, Math.min(c, g) - Math.max(a, e)) * Math.max(0, Math.min(d, h) - Math.max(b, f));
    return shared / ((c - a) * (d - b) + (g - e) * (h - f) - shared);
  }
  function cellsOf([left, top, right, bottom], side, crop) {
    const at = (value, from, size) => clamp(Math.round((value - from) / size * side), 0, side);
    return [at(left, crop.left, crop.width), at(right, crop.left, crop.width), at(top, crop.top, crop.height), at(bottom, crop.top, crop.height)];
  }
  function areaOf(edges, crop) {
    const [x0, x1, y0, y1] = cellsOf(edges, 1e3, crop);
    return (x1 - x0) * (y1 - y0) / 1e3 ** 2;
  }

  // cxr_demo/web/viewer/boxtables.js
  var OTHER_NAMES = {
    "Infiltrate": "Infiltration",
    "Pleural effusion": "Effusion",
    "Pleural thickening": "Pleural_Thickening",
    "Nodule/Mass": "Nodule",
    "Pulmonary fibrosis": "Fibrosis"
  };
  var labelOf = (label) => OTHER_NAMES[label] ?? label;
  var stem = (name) => name.replace(/\.(png|jpe?g|jp2|tiff?|bmp|webp|avif|dcm|dicom)(\.gz)?$/i, "");
  function readBoxTable(name, text) {
    const entries = /^\s*[{[]/.test(text) ? cocoEntries(text) : tableEntries(text);
    const read = /* @__PURE__ */ new Map();
    let wrong = 0;
    for (const { file, listed } of entries ?? []) {
      const good = listed.filter(isBox).map(({ label, x, y, w, h, of }) => ({ label, x, y, w, h, ...isSize(of) ? { of } : {}, from: name }));
      wrong += listed.length - good.length;
      const key = stem(file);
      if (good.length) read.set(key, [...read.get(key) ?? [], ...good]);
    }
    return { read, wrong, known: entries !== null };
  }
  function isBox(box) {
    return Boolean(box?.label && [box.x, box.y, box.w, box.h].every(Number.isFinite) && box.w > 0 && box.h > 0);
  }
  var isSize = (size) => size?.width > 0 && size?.height > 0;
  function tableEntries(text) {
    const [head = [], ...rows] = parseCsv(text);
    const names = head.map((name) => name.trim().toLowerCase());
    const places = (wanted) => {
      const found = wanted.map((name) => names.indexOf(name));
      return found.includes(-1) ? null : found;
    };
    const ours = places(["file", "boxes"]);
    if (ours) return rows.map((row2) => ({ file: row2[ours[0]] ?? "", listed: listIn(row2[ours[1]]) }));
    const nih = places(["image index", "finding label", "x", "y", "w", "h"]) ?? (names[2]?.startsWith("bbox [x") ? [0, 1, 2, 3, 4, 5] : null);
    if (nih) return rows.map((row2) => entryOf(row2, nih, on1024));
    const vindr = places(["image_id", "class_name", "x_min", "y_min", "x_max", "y_max"]);
    const size = places(["width", "height"]);
    if (vindr) {
      return rows.filter((row2) => row2[vindr[1]] !== "No finding").map((row2) => entryOf(row2, vindr, (edges) => ({ ...cornered(edges), ...size ? { of: { width: Number(row2[size[0]]), height: Number(row2[size[1]]) } } : {} })));
    }
    const rsna = places(["patientid", "target", "x", "y", "width", "height"]);
    if (rsna) {
      return rows.filter((row2) => Number(row2[rsna[1]]) === 1).map((row2) => entryOf([row2[rsna[0]], "Pneumonia", ...rsna.slice(2).map((k) => row2[k])], [0, 1, 2, 3, 4, 5], on1024));
    }
    return null;
  }
  var entryOf = (row2, [file, label, ...edges], shaped) => ({ file: row2[file] ?? "", listed: [{ label: row2[label], ...shaped(edges.map((k) => row2[k]?.trim() ? Number(row2[k].replace(",", ".")) : NaN)) }] });
  var on1024 = ([x, y, w, h]) => ({ x, y, w, h, of: { width: 1024, height: 1024 } });
  var cornered = ([x, y, right, bottom]) => ({ x, y, w: right - x, h: bottom - y });
  function listIn(cell3) {
    try {
      const listed = JSON.parse(cell3 || "[]");
      return Array.isArray(listed) ? listed : [null];
    } catch {
      return [null];
    }
  }
  function cocoEntries(text) {
    const { images, annotations, categories } = objectIn(text);
    if (![images, annotations, categories].every(Array.isArray)) return null;
    const [films, names] = [images, categories].map((list) => new Map(list.map((item) => [item?.id, item])));
    return annotations.map((one) => {
      const film = films.get(one?.image_id);
      const [x, y, w, h] = Array.isArray(one?.bbox) ? one.bbox : [];
      return { file: String(film?.file_name ?? "").replace(/^.*\//, ""), listed: [film ? { label: names.get(one.category_id)?.name, x, y, w, h, of: film } : null] };
    });
  }
  function objectIn(text) {
    try {
      return JSON.parse(text) ?? {};
    } catch {
      return {};
    }
  }
  function placed(boxes, shown2, turns, part = [0, 0, 1, 1]) {
    const [wide, high] = turns % 2 ? [shown2.height, shown2.width] : [shown2.width, shown2.height];
    const [width, height] = [wide / (part[2] - part[0]), high / (part[3] - part[1])];
    const all = boxes.map(({ label, x, y, w, h, of }) => {
      const size = of ?? { width, height };
      return { label: labelOf(label), given: true, edges: corrected([x / size.width, y / size.height, (x + w) / size.width, (y + h) / size.height], turns, part) };
    });
    const inside = all.filter(({ edges: [left, top, right, bottom] }) => left < 1 && top < 1 && right > 0 && bottom > 0);
    return { inside, beside: all.length - inside.length };
  }
  var askable = (boxes, labels) => boxes.filter((box) => labels.includes(box.label)).map(({ label, edges }) => ({ label, edges: (
    /** @type {Edges} */
    edges
  ) }));

  // cxr_demo/web/viewer/colours.js
  var LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];
  function shade(stops2, t) {
    let k = 1;
    while (k < stops2.length - 1 && stops2[k][0] < t) k++;
    const [low, high] = [stops2[k - 1], stops2[k]];
    const share2 = (t - low[0]) / (high[0] - low[0]);
    return [1, 2, 3].map((j) => low[j] + share2 * (high[j] - low[j]));
  }
  var isHidden = (t, side) => side === "for" && t < 0 || side === "against" && t > 0;
  var cover = (t, side, opacity) => isHidden(t, side) ? 0 : Math.abs(t) * opacity;
  function coloured(step2, limit, stops2, side, opacity) {
    const bytes = new Uint8ClampedArray(4 * 256);
    for (let q = -127; q < 128; q++) {
      const t = clamp(q * step2 / limit, stops2[0][0], 1);
      bytes.set([...shade(stops2, t), isHidden(t, side) ? 0 : 255 * Math.abs(t) * opacity], 4 * (q & 255));
    }
    return new Uint32Array(bytes.buffer);
  }
  function ramp(stops2, side, opacity) {
    const low = stops2[0][0];
    const parts = Array.from({ length: 17 }, (_, k) => low + (1 - low) * k / 16).map((t) => `rgb(${shade(stops2, t).map(Math.round).join(" ")} / ${cover(t, side, opacity).toFixed(3)})`);
    return `linear-gradient(90deg, ${parts.join(", ")})`;
  }

  // cxr_demo/web/viewer/dom.js
  var SVG = "http://www.w3.org/2000/svg";
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name === "class") node.className = value ?? "";
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== void 0) node.setAttribute(name, String(value));
    }
    node.append(...children.filter(present));
    return node;
  }
  function present(child) {
    return child !== null && child !== void 0;
  }
  function shape(name, attributes, ...children) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    node.append(...children);
    return node;
  }
  function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }
  function button(text, attributes, onclick) {
    const isOff = () => node.ariaDisabled === "true";
    const node = make("button", {
      type: "button",
      ...attributes,
      onclick: (event) => {
        if (!isOff()) onclick(event);
      },
      onblur: () => {
        if (isOff()) setDisabled(node, true);
      }
    }, text);
    return node;
  }
  function setDisabled(node, is) {
    const keeps = is && node === document.activeElement;
    node.disabled = is && !keeps;
    node.ariaDisabled = keeps ? "true" : null;
  }
  function group(name, ...members) {
    const several = typeof name === "string";
    return make(
      "div",
      { class: "group", role: several ? "group" : null, "aria-label": several ? name : null },
      several ? make("span", {}, name) : name,
      ...members
    );
  }
  function makeTable(heads, rows) {
    return make(
      "table",
      {},
      make("thead", {}, make("tr", {}, make("td"), ...heads.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...rows.map(([name, cells]) => make("tr", {}, make("th", { scope: "row" }, name), ...cells)))
    );
  }
  function makeStage(label, ...more) {
    const canvas = make("canvas", { role: "img", tabindex: 0, "aria-label": label });
    return { canvas, node: make("div", { class: "stage" }, canvas, make("i", { class: "cross", hidden: true }), ...more) };
  }
  function penOf(canvas, settings) {
    return (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d", settings)
    );
  }
  function stepped(event, at, count2, [back, forth]) {
    const places = { [back]: at - 1, [forth]: at + 1, Home: 0, End: count2 - 1 };
    const to = places[event.key];
    if (to === void 0) return null;
    event.preventDefault();
    return clamp(to, 0, count2 - 1);
  }
  var CONTROLS = "button, a[href], input, select, [tabindex]";
  function refill(node, children, next) {
    const controls = () => [...node.querySelectorAll(CONTROLS)].filter((one) => one instanceof HTMLElement);
    const at = controls().findIndex((one) => one === document.activeElement);
    node.replaceChildren(...children.filter(present));
    if (at >= 0) (controls()[at] ?? controls().at(-1) ?? next)?.focus({ preventScroll: true });
  }
  function addressOf(path) {
    return `${/** @type {any} */
    window.gradio_config?.root ?? ""}/gradio_api/file=${path}`;
  }
  function follow(href, name) {
    make("a", { href, download: name }).click();
  }
  function download(blob, name) {
    const address = URL.createObjectURL(blob);
    follow(address, name);
    URL.revokeObjectURL(address);
  }

  // cxr_demo/web/viewer/greylevels.js
  var DEEPEST = 65535;
  var NARROWEST = 1 / 256;
  function halves(width, height, values) {
    const found = [{ width, height, values }];
    while (Math.max(found[found.length - 1].width, found[found.length - 1].height) > 256) found.push(halved(found[found.length - 1]));
    return found;
  }
  function halved({ width: w, height: h, values: from }) {
    const [half, rows] = [Math.max(1, w >> 1), Math.max(1, h >> 1)];
    const to = new Uint16Array(half * rows);
    for (let y = 0; y < rows; y++) {
      for (let x = 0, k = 2 * y * w; x < half; x++, k += 2) to[y * half + x] = from[k] + from[k + 1] + from[k + w] + from[k + w + 1] + 2 >> 2;
    }
    return { width: half, height: rows, values: to };
  }
  function undone(bytes, width, height) {
    const values = new Uint16Array(width * height);
    for (let k = 0, before = 0; k < values.length; k++) {
      if (k % width === 0) before = 0;
      before = before + (bytes[k] << 8) + bytes[values.length + k] & DEEPEST;
      values[k] = before;
    }
    return values;
  }
  function greys({ low, high, inverted }) {
    const table = new Uint32Array(DEEPEST + 1);
    for (let v = 0; v <= DEEPEST; v++) {
      const t = clamp((v / DEEPEST - low) / (high - low), 0, 1);
      table[v] = 4278190080 + 65793 * Math.round(255 * (inverted ? 1 - t : t));
    }
    return table;
  }
  function hundredths({ width, height, values }, crop) {
    const inside = (k, size, from, share2) => k >= Math.floor(from * size) && k < Math.ceil((from + share2) * size);
    const seen = values.filter((_, k) => inside(k % width, width, crop.left, crop.width) && inside(Math.floor(k / width), height, crop.top, crop.height)).sort();
    return [0.01, 0.99].map((q) => seen[Math.round(q * (seen.length - 1))] / DEEPEST);
  }

  // cxr_demo/web/viewer/maps.js
  async function inflated(bytes) {
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  }
  async function inflate(text) {
    return inflated(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
  }
  async function unpacked({ labels, side, scale, limit, data, unsure, blurred: isBlurred }) {
    const [planes, bits] = await Promise.all([inflate(data), unsure === null ? null : inflate(unsure)]);
    return { labels, side, scale, limit, planes: new Int8Array(planes), unsure: bits && new Uint8Array(bits), blurred: isBlurred };
  }
  var plane = (maps, i) => maps.planes.subarray(i * maps.side ** 2, (i + 1) * maps.side ** 2);
  var valueAt = (maps, i, x, y) => plane(maps, i)[y * maps.side + x] * maps.scale[i];
  function valueIn(maps, i, place) {
    return valueAt(maps, i, Math.floor(place.x * maps.side), Math.floor(place.y * maps.side));
  }
  function extremes(values) {
    let [least, most] = [0, 0];
    for (const q of values) {
      if (q < least) least = q;
      else if (q > most) most = q;
    }
    return [least, most];
  }
  function unsureAt(maps, i, k) {
    const bit = i * maps.side ** 2 + k;
    return maps.unsure ? maps.unsure[bit >> 3] >> 7 - (bit & 7) & 1 : 0;
  }
  var anyUnsure = (maps, i) => Boolean(maps.unsure) && plane(maps, i).some((_, k) => unsureAt(maps, i, k));
  function lessOf(a, i, b, j) {
    const values = Float32Array.from(plane(a, i), (q, k) => {
      const [x, y] = [k % a.side, Math.floor(k / a.side)].map((at) => Math.floor((at + 0.5) / a.side * b.side));
      return q * a.scale[i] - valueAt(b, j, x, y);
    });
    return quantised(a, i, values, a.side);
  }
  function lessWeighted(maps, i, weights) {
    const values = Float32Array.from(plane(maps, i), (q) => q * maps.scale[i]);
    weights.forEach((weight, j) => {
      if (weight) plane(maps, j).forEach((q, k) => {
        values[k] -= weight * q * maps.scale[j];
      });
    });
    return quantised(maps, i, values, maps.side);
  }
  function quantised(like, i, values, side) {
    const limit = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    const planes = Int8Array.from(values, (value) => Math.round(value / limit * 127));
    return { labels: [like.labels[i]], side, scale: [limit / 127], limit: [limit], planes, unsure: null, blurred: like.blurred };
  }
  function evidenceIn(maps, i, edges, crop) {
    const { side } = maps;
    const [x0, x1, y0, y1] = cellsOf(edges, side, crop);
    let [inside, all] = [0, 0];
    plane(maps, i).forEach((q, k) => {
      if (q <= 0) return;
      const [x, y] = [k % side, Math.floor(k / side)];
      all += q;
      if (x >= x0 && x < x1 && y >= y0 && y < y1) inside += q;
    });
    return all ? inside / all : null;
  }
  var kept = /* @__PURE__ */ new WeakMap();
  function smoothed(maps, i) {
    if (maps.blurred) return plane(maps, i);
    const known = kept.get(maps) ?? /* @__PURE__ */ new Map();
    kept.set(maps, known);
    if (!known.has(i)) known.set(i, Int8Array.from(blurred(Float32Array.from(plane(maps, i)), maps.side), Math.round));
    return (
      /** @type {Int8Array} */
      known.get(i)
    );
  }
  function blurred(values, side) {
    const across = blurredRows(values, side);
    return transposed(blurredRows(transposed(across, side), side), side);
  }
  var transposed = (values, side) => values.map((_, k) => values[k % side * side + Math.floor(k / side)]);
  function blurredRows(values, side) {
    const sigma = side / 21;
    const reach = Math.ceil(4 * sigma);
    const weights = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-(((k - reach) / sigma) ** 2) / 2));
    const total = weights.reduce((a, b) => a + b);
    const at = Array.from({ length: side + 2 * reach }, (_, k) => {
      const x = ((k - reach) % (2 * side) + 2 * side) % (2 * side);
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
  var CROSSED = {
    1: [["left", "top"]],
    2: [["top", "right"]],
    3: [["left", "right"]],
    4: [["right", "bottom"]],
    5: [["left", "top"], ["right", "bottom"]],
    6: [["top", "bottom"]],
    7: [["left", "bottom"]],
    8: [["bottom", "left"]],
    9: [["top", "bottom"]],
    10: [["top", "right"], ["bottom", "left"]],
    11: [["right", "bottom"]],
    12: [["left", "right"]],
    13: [["top", "right"]],
    14: [["left", "top"]]
  };
  function isoline(values, side, level) {
    const found = [];
    if (!Number.isFinite(level)) return found;
    const over = (k) => Number(values[k] >= level);
    const between = (a, b) => (level - values[a]) / (values[b] - values[a]);
    for (let y = 0; y + 1 < side; y++) {
      for (let x = 0; x + 1 < side; x++) {
        const [a, b] = [y * side + x, y * side + x + 1];
        const [c, d] = [a + side, b + side];
        const kind = over(a) + 2 * over(b) + 4 * over(d) + 8 * over(c);
        if (kind === 0 || kind === 15) continue;
        const [X, Y] = [x + 0.5, y + 0.5];
        const edge = {
          top: () => [X + between(a, b), Y],
          right: () => [X + 1, Y + between(b, d)],
          bottom: () => [X + between(c, d), Y + 1],
          left: () => [X, Y + between(a, c)]
        };
        for (const [from, to] of CROSSED[kind]) found.push([edge[from](), edge[to]()]);
      }
    }
    return found;
  }

  // cxr_demo/web/viewer/i18n.js
  var Translator = class {
    /** @param {string} code @param {Catalogue['texts']} texts */
    constructor(code, texts) {
      this.code = code;
      this.texts = new Map(Object.entries(texts));
      this.plurals = new Intl.PluralRules(code);
      this.point = 1.5.toLocaleString(code)[1];
    }
    /**
     * The text of an identity, with `values` in its named placeholders; the value `n` selects the plural form.
     * @param {string} id @param {Values} [values] @returns {string | null} null if the catalogue lacks it
     */
    find(id, values = {}) {
      const found = this.texts.get(id);
      if (found === void 0) return null;
      const form = typeof found === "string" ? found : found[this.plurals.select(Number(values.n))] ?? found.other;
      return form.replace(/\{(\w+)\}/g, (place, name) => name in values ? this.part(values[name]) : place);
    }
    /** @param {Values[string]} value @returns {string} */
    part(value) {
      if (typeof value === "number") return String(value).replace(".", this.point);
      return typeof value === "object" ? this.say(value) : String(value);
    }
    /** A sentence of the server; its English text if the catalogue lacks its identity. @param {Sentence} sentence @returns {string} */
    say({ id, parameters, text }) {
      return (id === null ? null : this.find(id, parameters)) ?? text;
    }
  };
  var spoken = new Translator("en", {});
  function speak(translator) {
    spoken = translator;
  }
  var tr = (id, values) => spoken.find(id, values) ?? id;
  var say = (sentence2) => spoken.say(sentence2);
  var readable = (label) => spoken.find(`finding.${label.replaceAll(" ", "_")}`) ?? label.replaceAll("_", " ");
  var point = () => spoken.point;
  var locale = () => spoken.code;
  var sentence = (id) => ({ id, parameters: {}, text: tr(id) });
  function understood(languages, wishes) {
    for (const wanted of wishes) {
      const [short] = wanted.toLowerCase().split("-");
      const found = Object.keys(languages).find((code) => code === short || languages[code].also.includes(short));
      if (found) return found;
    }
    return "en";
  }
  function spokenOut(value) {
    if (Array.isArray(value)) return value.map(spokenOut);
    if (typeof value !== "object" || value === null) return value;
    if ("id" in value && "parameters" in value) return say(value);
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, spokenOut(part)]));
  }
  function translated(about2) {
    const { refused, spec, languages, example, ...rest } = about2;
    return { ...spokenOut(rest), refused, spec, languages, example };
  }

  // cxr_demo/web/viewer/recorded.js
  var replaying = (answers, channel) => (event, { turn, run }) => {
    const answer = answers[event];
    if (answer) queueMicrotask(() => document.dispatchEvent(new CustomEvent(channel, { detail: { ...answer, turn, run } })));
  };
  function readRecorded(channel) {
    const recorded = JSON.parse(document.getElementById("recorded")?.textContent ?? "");
    const host = {
      element: (
        /** @type {HTMLElement} */
        document.getElementById("viewer")
      ),
      props: { about: recorded.about },
      trigger: replaying(recorded.answers, channel),
      upload: () => Promise.reject(new Error("There is no server."))
    };
    return { host, label: recorded.label, film: { title: recorded.name, key: "", boxes: recorded.boxes } };
  }

  // cxr_demo/web/viewer/store.js
  var NONE = -1;
  var EMPTY_GRID = {
    kind: "findings",
    ran: null,
    film: null,
    source: null,
    model: null,
    columns: [],
    rows: [],
    cells: /* @__PURE__ */ new Map(),
    jobs: [],
    job: null,
    findings: null,
    setting: null
  };
  var state = (
    /** @type {State} */
    {}
  );
  var own = (
    /** @type {Open<State>} */
    state
  );
  var listeners = /* @__PURE__ */ new Map();
  function openStore(page) {
    Object.assign(
      own,
      /** @type {State} */
      {
        page,
        models: [...page.models],
        spec: page.spec,
        on: new Set(page.methods.filter((method) => method.on).map((method) => method.key)),
        settings: new Map(page.methods.map((method) => [method.key, defaultsOf(method)])),
        estimating: /* @__PURE__ */ new Map(),
        films: [],
        film: null,
        filmBefore: null,
        failures: [],
        others: 0,
        model: page.model,
        modelBefore: page.model,
        modelThatAnswers: page.model,
        wanted: null,
        naming: 0,
        turn: 0,
        run: 0,
        asked: /* @__PURE__ */ new Map(),
        chosen: NONE,
        label: "",
        other: null,
        pinned: null,
        pointer: null,
        opacity: page.opacity,
        scale: "own",
        side: "both",
        palette: page.palettes[0].key,
        smooth: false,
        levels: [],
        view: { x: 0, y: 0, zoom: 1 },
        window: { low: 0, high: 1, inverted: false },
        drawing: false,
        corner: null,
        pulled: null,
        table: /* @__PURE__ */ new Map(),
        awaited: null,
        order: { by: null, falling: true },
        beside: null,
        wipe: { on: false, a: null, b: null, at: 0.5 },
        grid: EMPTY_GRID,
        packing: { run: null, waiting: [], film: null, paths: [], failed: 0 },
        quiz: { on: false, said: 0, named: 0, judged: 0, right: 0, marked: 0, met: 0 },
        notes: { look: "", box: "", model: "" }
      }
    );
    listeners.clear();
  }
  var defaultsOf = (method) => Object.fromEntries(method.settings.map((setting) => [setting.name, setting.default]));
  function on(topic, listener) {
    listeners.set(topic, [...listeners.get(topic) ?? [], listener]);
  }
  function publish(topic, subject) {
    for (const listener of listeners.get(topic) ?? []) listener(subject);
  }
  var soon = false;
  function drawSoon() {
    if (soon) return;
    soon = true;
    requestAnimationFrame(() => {
      soon = false;
      publish("draw");
    });
  }
  var resultOf = (film) => film.results.get(state.model) ?? null;
  var current = () => state.film && resultOf(state.film);
  var entryOf2 = (method) => current()?.entries.get(method.key) ?? null;
  var shown = () => state.page.methods.filter((method) => state.on.has(method.key));
  var isBusy = (entry) => entry?.state === "running" || entry?.state === "stopping";
  var finished = () => shown().filter((method) => entryOf2(method)?.state === "done");
  var answered = () => state.films.filter(resultOf);
  var ticked = () => answered().filter((film) => film.ticked);
  var methodOf = (key) => state.page.methods.find((method) => method.key === key) ?? null;
  var titleOf = (key) => methodOf(key)?.title ?? key;
  var settingsOf = (method) => state.settings.get(method.key) ?? {};
  var probabilityOf = (film, i) => resultOf(film)?.seen.probabilities[i] ?? NaN;
  var turnsOf = (name) => state.page.turns[name] ?? 0;
  var takesFilms = () => state.page.signatures.length > 0;
  var waitsForRequest = () => takesFilms() && Boolean(current()?.seen.doubted) && !state.film?.explainAnyway;
  var isExample = () => Boolean(state.film?.source?.stored);
  var measuring = () => PARTS.filter((part) => current()?.[part]?.state === "running");
  var chosenModel = () => state.page.lessons.some((item) => item.model.name === state.model) ? state.modelBefore : state.model;
  var guessing = () => state.quiz.on && Boolean(state.film) && !state.film?.error && !state.film?.guess?.revealed;
  var PARTS = ["trust", "scramble", "exporting"];
  var newFilm = (name, source, more = {}) => ({
    name,
    source,
    results: /* @__PURE__ */ new Map(),
    error: null,
    busy: true,
    boxes: [],
    findings: /* @__PURE__ */ new Map(),
    explainAnyway: false,
    guess: null,
    ticked: false,
    compared: false,
    thumb: null,
    pixels: null,
    ...more
  });
  function addFilm(name, source, more) {
    const film = newFilm(name, source, more);
    own.films = [...own.films, film];
    return film;
  }
  function changeFilm(film, changes) {
    Object.assign(film, changes);
  }
  function adoptExample() {
    const { film } = own;
    if (!film?.source?.stored) return;
    const { stored: _stored, ...source } = film.source;
    changeFilm(film, { source });
    for (const result of film.results.values()) Object.assign(result, { entries: /* @__PURE__ */ new Map(), trust: null });
    own.films = [...own.films, film];
  }
  function removeFilms(unwanted) {
    own.films = own.films.filter((film) => !unwanted(film));
  }
  function lookAtFilm(film) {
    if (film === own.film) return;
    if (own.film && own.films.includes(own.film)) own.filmBefore = own.film;
    own.film = film;
    own.failures = [];
    own.others = 0;
  }
  function setFailures(failures) {
    own.failures = failures;
  }
  function setOthers(others) {
    own.others = others;
  }
  function filmSent(film, source) {
    changeFilm(film, { source });
  }
  function filmWaits(film) {
    changeFilm(film, { busy: true, error: null });
  }
  function filmRests(film) {
    changeFilm(film, { busy: false });
  }
  function filmFailed(film, error) {
    changeFilm(film, { busy: false, error });
  }
  function forgetError(film) {
    changeFilm(film, { error: null });
  }
  function requestMaps(film) {
    changeFilm(film, { explainAnyway: true });
  }
  function giveThumb(film, thumb) {
    changeFilm(film, { thumb });
  }
  function tickFilm(film, is) {
    changeFilm(film, { ticked: is });
  }
  function compareFilm(film, is) {
    changeFilm(film, { compared: is });
  }
  function setBoxes(film, boxes) {
    changeFilm(film, { boxes });
  }
  function addBox(film, box) {
    setBoxes(film, [...film.boxes, box]);
  }
  function setPixels(film, pixels) {
    changeFilm(film, { pixels });
  }
  function guess(film, said) {
    changeFilm(film, { guess: { finding: null, edges: null, revealed: false, ...film.guess, ...said } });
  }
  function correctFilm(film, correction, part, boxes) {
    const source = film.source && { ...film.source, correction: correction ?? void 0, part: part ?? void 0 };
    changeFilm(film, { source, boxes, thumb: null, results: /* @__PURE__ */ new Map(), findings: /* @__PURE__ */ new Map() });
  }
  function addResult(film, model, seen, image) {
    const result = { film, seen, image, entries: /* @__PURE__ */ new Map(), trust: null, scramble: null, exporting: null };
    changeFilm(film, { results: new Map(film.results).set(model, result) });
    return result;
  }
  function askedFor(question) {
    own.turn += 1;
    own.asked = new Map(own.asked).set(own.turn, question);
    return own.turn;
  }
  function answeredTurn(turn) {
    const question = own.asked.get(turn) ?? null;
    own.asked = new Map([...own.asked].filter(([other]) => other !== turn));
    return question;
  }
  function refuseAsked(error) {
    for (const { film } of own.asked.values()) if (film) filmFailed(film, error);
    own.asked = /* @__PURE__ */ new Map();
  }
  function setSpec(spec) {
    own.spec = spec;
    publish("spec");
  }
  function setModel(name) {
    own.model = name;
  }
  function modelAnswered(name) {
    if (!own.page.lessons.some((item) => item.model.name === name)) own.modelThatAnswers = name;
  }
  function keepModel(name) {
    own.modelBefore = name;
  }
  function addModel(choice2) {
    own.models = [...own.models, choice2];
    publish("model");
  }
  function wantModel(name) {
    own.wanted = name;
  }
  function setNaming(run) {
    own.naming = run;
  }
  function chooseFinding(i, label) {
    own.chosen = i;
    own.label = label;
    if (own.film) openWith(own.film, own.model, label);
  }
  function openWith(film, model, label) {
    changeFilm(film, { findings: new Map(film.findings).set(model, label) });
  }
  function setOther(label) {
    own.other = label;
  }
  function chooseNoFinding() {
    own.chosen = NONE;
  }
  function pinFinding(label) {
    own.pinned = label;
    publish("pin");
  }
  function nextRun() {
    own.run += 1;
    return own.run;
  }
  function switchMethod(method, is) {
    const others = [...own.on].filter((key) => key !== method.key);
    own.on = new Set(is ? [...others, method.key] : others);
  }
  function showMethods(keys) {
    own.on = new Set(keys);
  }
  function setSetting(method, name, value) {
    own.settings = new Map(own.settings).set(method.key, { ...settingsOf(method), [name]: value });
  }
  function setSettings(method, settings) {
    own.settings = new Map(own.settings).set(method.key, settings);
  }
  function setEstimating(method, run) {
    own.estimating = new Map(own.estimating).set(method.key, run);
  }
  function setEntry(result, method, entry) {
    Object.assign(result, { entries: new Map(result.entries).set(method.key, entry) });
  }
  function changeEntry(entry, changes) {
    Object.assign(entry, changes);
  }
  function dropUnfinished(result) {
    let off = [...result.entries].map(([key, entry]) => [key, isBusy(entry) && entry.before ? entry.before : entry]);
    off = off.filter(([key, entry]) => entry.state === "done" || !own.on.has(key));
    Object.assign(result, { entries: new Map(off), ...Object.fromEntries(PARTS.filter((part) => result[part]?.state === "running").map((part) => [part, null])) });
  }
  function setTrust(result, trust) {
    Object.assign(result, { trust });
  }
  function setScramble(result, scramble) {
    Object.assign(result, { scramble });
  }
  function setExporting(result, exporting) {
    Object.assign(result, { exporting });
  }
  function changePart(part, changes) {
    Object.assign(part, changes);
  }
  function setView(view) {
    own.view = view;
  }
  function setLevels(window2) {
    own.window = window2;
  }
  function setPointer(place) {
    own.pointer = place;
  }
  function setLook(look) {
    Object.assign(own, look);
    publish("look");
    publish("draw");
  }
  function setWipe(wipe) {
    own.wipe = { ...own.wipe, ...wipe };
  }
  function setBeside(film) {
    own.beside = film;
  }
  function note(name, words2) {
    own.notes = { ...own.notes, [name]: words2 };
    publish("note", name);
  }
  function sortBy(by) {
    own.order = { by, falling: own.order.by === by ? !own.order.falling : by !== "name" };
  }
  function setDrawing(is) {
    Object.assign(own, { drawing: is, corner: null, pulled: null });
  }
  function pullBox(corner, pulled) {
    Object.assign(own, { corner, pulled });
  }
  function setTable(table) {
    own.table = table;
  }
  function awaitTable(awaited) {
    own.awaited = awaited;
  }
  function changeQuiz(changes) {
    own.quiz = { ...own.quiz, ...changes };
  }
  function changeGrid(changes) {
    own.grid = { ...own.grid, ...changes };
  }
  function compareFinding(label, is) {
    const others = [...own.grid.findings ?? []].filter((other) => other !== label);
    changeGrid({ findings: new Set(is ? [...others, label] : others) });
  }
  function clearGrid() {
    changeGrid({ film: null, columns: [], rows: [], cells: /* @__PURE__ */ new Map() });
  }
  function setCell(job, cell3) {
    changeGrid({ cells: new Map(own.grid.cells).set(cellKey(job.method, job.k), cell3) });
  }
  var cellKey = (method, k) => `${method.key} ${k}`;
  function changePacking(changes) {
    own.packing = { ...own.packing, ...changes };
  }

  // cxr_demo/web/viewer/requests.js
  var send = () => {
  };
  var upload = () => Promise.reject(new Error("No server."));
  function connect(host, { events, channel }) {
    const answers = state.page.example?.answers ?? {};
    const replay = replaying(answers, channel);
    send = (event, data) => {
      const stored = (
        /** @type {Source | undefined} */
        data.source?.stored && !data.aside
      );
      (stored && answers[events[event]] ? replay : host.trigger)(events[event], data);
    };
    upload = host.upload;
  }
  var ask = (event, data) => send(event, data);
  var sendFile = async (file) => (await upload(file)).path;
  var about = (run) => ({ run, source: state.film?.source, model: state.model });
  var boxesTold = (film) => askable(film.boxes, state.spec.labels);
  var SILENCE = 5e3;
  var heardAt = 0;
  function heardServer() {
    heardAt = performance.now();
  }
  function wakeStream() {
    const due = state.asked.size || state.film?.busy || state.grid.job || state.packing.run !== null || measuring().length || shown().some((method) => isBusy(entryOf2(method)));
    if (!due || performance.now() - heardAt < SILENCE) return;
    heardServer();
    ask("wake", {});
  }
  function askFilm(film, quiet = false) {
    const turn = askedFor({ film, model: state.model, source: film?.source ?? null });
    ask("film", { turn, run: quiet ? 0 : state.run, source: film?.source ?? null, model: state.model, aside: quiet });
  }
  function askNext() {
    const busy = state.asked.size || state.film?.busy || state.grid.job || measuring().length;
    if (busy || shown().some((method) => entryOf2(method)?.state === "running")) return;
    const next = state.films.find((film) => film.source && !film.error && !film.busy && !resultOf(film));
    if (next) askFilm(next, true);
  }
  function askNamed(name) {
    const run = nextRun();
    setNaming(run);
    ask("named", { run, model: name });
  }
  function askRun(method) {
    if (isExample()) adopt();
    else start(method);
  }
  function adopt() {
    adoptExample();
    complete();
    publish("film");
  }
  function start(method) {
    const result = current();
    if (!result) return;
    const run = nextRun();
    const settings = settingsOf(method);
    const known = entryOf2(method);
    const before = known?.state === "done" ? known : null;
    setEntry(result, method, { run, state: "running", began: performance.now(), settings, before });
    publish("card", method);
    ask(method.key, { ...about(run), settings });
  }
  function complete() {
    if (waitsForRequest()) return;
    for (const method of shown()) if (!entryOf2(method)) start(method);
  }
  function askEstimate(method) {
    const run = nextRun();
    setEstimating(method, run);
    ask("estimate", { run, model: state.model, method: method.key, settings: settingsOf(method) });
  }
  function stop(method) {
    const entry = entryOf2(method);
    if (entry?.state !== "running") return;
    changeEntry(entry, { state: "stopping" });
    publish("card", method);
    ask("stop", { method: method.key, run: entry.run });
  }
  function leave() {
    const result = current();
    if (!result || !measuring().length && !shown().some((method) => isBusy(entryOf2(method)))) return;
    dropUnfinished(result);
    ask("stop", { run: state.run });
  }
  function askTrust(again = false) {
    if (again && isExample()) return adopt();
    const result = current();
    const done = finished();
    if (!result || !done.length || shown().some((method) => isBusy(entryOf2(method)))) return;
    const of = done.map((method) => `${method.key}:${entryOf2(method)?.run}`).join(" ");
    const known = result.trust?.about === of ? result.trust : null;
    if (!again && known) return;
    const run = nextRun();
    const boxes = boxesTold(result.film);
    setTrust(result, { measured: /* @__PURE__ */ new Map(), ...known, about: of, asked: JSON.stringify(boxes), run, state: "running", error: null });
    ask("trust", { ...about(run), finding: state.chosen, methods: done.map((method) => method.key), boxes });
    publish("trust");
  }
  function askScramble(depth) {
    const result = current();
    const done = finished();
    if (!result || !done.length) return;
    const run = nextRun();
    setScramble(result, { run, depth, maps: /* @__PURE__ */ new Map(), state: "running" });
    ask("scramble", { ...about(run), depth, methods: done.map((method) => method.key) });
    publish("scramble");
  }
  function refusePart(part, error) {
    changePart(part, { state: "stopped", error });
  }

  // cxr_demo/web/viewer/pixels.js
  var levels = /* @__PURE__ */ new WeakMap();
  function levelsOf({ film, image }) {
    const known = levels.get(film);
    if (known) return known;
    const { width, height } = image;
    const pen = penOf(make("canvas", { width, height }), { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    const { data } = pen.getImageData(0, 0, width, height);
    const found = halves(width, height, Uint16Array.from({ length: width * height }, (_, k) => 257 * data[4 * k]));
    levels.set(film, found);
    return found;
  }
  var pixelState = ({ film, seen }) => !seen.film.deeper || film.pixels?.done ? "done" : film.pixels ? "running" : "copy";
  function askPixels() {
    const { low, high } = state.window;
    if (state.view.zoom > 1 || low > 0 || high < 1) wholeFilm();
  }
  async function wholeFilm() {
    const result = current();
    if (!result?.seen.film.deeper) return;
    const { film } = result;
    if (!film.pixels) {
      const run = nextRun();
      let end = () => {
      };
      const ended2 = new Promise(
        /** @param {(value: void) => void} resolve */
        (resolve) => {
          end = resolve;
        }
      );
      setPixels(film, { run, done: false, ended: ended2, end });
      ask("pixels", about(run));
    }
    await film.pixels?.ended;
  }
  async function heardPixels({ run, path, error }) {
    const film = [state.film, ...state.films].find((one) => one?.pixels?.run === run);
    if (!film) return;
    const found = path ? await fetched(path) : null;
    const fetching = film.pixels;
    if (!fetching || fetching.run !== run) return;
    if (!found) return noPixels(film, error ? say(error) : tr("ui.films.pixels_failed"));
    const [{ seen: { film: { width, height } } }] = film.results.values();
    levels.set(film, halves(width, height, undone(found, width, height)));
    setPixels(film, { ...fetching, done: true });
    fetching.end();
    drawSoon();
  }
  async function fetched(path) {
    try {
      const answer = await fetch(addressOf(path));
      return answer.ok ? new Uint8Array(await inflated(await answer.arrayBuffer())) : null;
    } catch {
      return null;
    }
  }
  function noPixels(film, words2) {
    film.pixels?.end();
    setPixels(film, null);
    note("look", words2);
  }
  function forgetPixels(film) {
    levels.delete(film);
    setPixels(film, null);
  }

  // cxr_demo/web/viewer/truth.js
  var plantedIn = (film) => film.source?.kind === "phantom" ? state.page.phantoms.find((item) => item.key === film.source?.key) ?? null : null;
  var lessonOf = (film) => film.source?.kind === "lesson" ? state.page.lessons.find((item) => item.key === film.source?.key) ?? null : null;
  function plantedEdges(film, label) {
    const planted = plantedIn(film);
    return planted?.edges && planted.finding === label ? [planted.edges] : [];
  }
  var givenBoxes = (film) => film.boxes.filter((box) => box.given);
  var boxesOf = (label) => state.film?.boxes.filter((box) => box.label === label) ?? [];
  function knownFindings(film) {
    const planted = plantedIn(film);
    if (planted) return [planted.finding].filter(present);
    const given = givenBoxes(film).map((box) => box.label);
    return given.length ? [...new Set(given)] : null;
  }
  function isRight({ film, seen }, finding) {
    const known = knownFindings(film) ?? [];
    return finding === NONE ? !known.length : known.includes(seen.labels[finding]);
  }
  var truthEdges = (film) => [plantedIn(film)?.edges, ...givenBoxes(film).map((box) => box.edges)].filter(present);
  function knownEdges({ film, seen }, finding) {
    const planted = plantedIn(film);
    if (planted) return planted.edges ? [planted.edges] : [];
    return givenBoxes(film).filter((box) => box.label === seen.labels[finding]).map((box) => box.edges);
  }

  // cxr_demo/web/viewer/canvas.js
  var WHOLE = { x: 0, y: 0, zoom: 1 };
  var coloursNow = () => (state.page.palettes.find(({ key }) => key === state.palette) ?? state.page.palettes[0]).colours;
  var stopsOf = (method) => coloursNow()[method.unit.key];
  var planeShown = (maps, i) => state.smooth ? smoothed(maps, i) : plane(maps, i);
  function fit(canvas, { width, height }) {
    const place = canvas.parentElement;
    const box = Math.max(1, Math.min(place?.clientWidth || 320, place?.clientHeight || Infinity));
    const dense = Math.min(window.devicePixelRatio || 1, 2);
    const k = box / Math.max(width, height);
    const [w, h] = [Math.max(1, Math.round(width * k * dense)), Math.max(1, Math.round(height * k * dense))];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    canvas.style.width = `${Math.round(width * k)}px`;
    canvas.style.height = `${Math.round(height * k)}px`;
  }
  function thumbnail(image) {
    const k = 56 / Math.max(image.width, image.height);
    const small = make("canvas", { width: Math.round(image.width * k), height: Math.round(image.height * k) });
    penOf(small).drawImage(image, 0, 0, small.width, small.height);
    return small;
  }
  function picture(canvas, result, map = null, { view = state.view, i = state.chosen, label = state.label } = {}) {
    const pen = penOf(canvas);
    const { crop } = result.seen.film;
    pen.drawImage(filmAt(result, canvas.width, canvas.height, view), 0, 0);
    if (map) {
      const { left, top, width, height } = within(frame(canvas, view), crop);
      pen.imageSmoothingEnabled = state.smooth;
      pen.drawImage(paint(map.maps, i, map.limit, map.stops), left, top, width, height);
      contours(pen, map.maps, i, map.limit, { left, top, width, height }, canvas.width);
    }
    hatch(pen, canvas, crop, view);
    if (result === current()) outline(pen, canvas, view, label);
  }
  var drawn = /* @__PURE__ */ new WeakMap();
  function forgetPictures(film) {
    drawn.delete(film);
  }
  function filmAt(result, width, height, view) {
    const levels2 = levelsOf(result);
    const kept4 = drawnOf(result.film, levels2);
    const about2 = [width, height, view.x, view.y, view.zoom, kept4.window].join(" ");
    const known = kept4.pictures.get(about2);
    if (known) return known;
    const level = levels2.findLast((one) => one.width >= view.zoom * width) ?? levels2[0];
    const [left, right] = [view.x, view.x + 1 / view.zoom].map((x) => x * level.width);
    const [top, bottom] = [view.y, view.y + 1 / view.zoom].map((y) => y * level.height);
    const [x0, y0] = [Math.max(0, Math.floor(left) - 1), Math.max(0, Math.floor(top) - 1)];
    const [w, h] = [Math.min(level.width, Math.ceil(right) + 1) - x0, Math.min(level.height, Math.ceil(bottom) + 1) - y0];
    const source = pictureOf(level, kept4.greys, x0, y0, w, h);
    const made = make("canvas", { width, height });
    const pen = penOf(made);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(source, left - x0, top - y0, right - left, bottom - top, 0, 0, width, height);
    if (kept4.pictures.size > 3) kept4.pictures.clear();
    kept4.pictures.set(about2, made);
    return made;
  }
  function drawnOf(film, levels2) {
    const { low, high, inverted } = state.window;
    const window2 = `${low} ${high} ${inverted}`;
    const known = drawn.get(film);
    if (known?.window === window2 && known.levels === levels2) return known;
    const pictures = known && known.levels === levels2 ? known.pictures : /* @__PURE__ */ new Map();
    const fresh = { pictures, window: window2, levels: levels2, greys: known?.window === window2 ? known.greys : greys(state.window) };
    drawn.set(film, fresh);
    return fresh;
  }
  function pictureOf(level, table, x0, y0, w, h) {
    const part = new ImageData(w, h);
    const pixels = new Uint32Array(part.data.buffer);
    for (let y = 0; y < h; y++) {
      const row2 = (y0 + y) * level.width + x0;
      for (let x = 0; x < w; x++) pixels[y * w + x] = table[level.values[row2 + x]];
    }
    const source = make("canvas", { width: w, height: h });
    penOf(source).putImageData(part, 0, 0);
    return source;
  }
  var painted = /* @__PURE__ */ new WeakMap();
  function paint(maps, i, limit, stops2) {
    const table = coloured(maps.scale[i], limit, stops2, state.side, state.opacity);
    const image = new ImageData(maps.side, maps.side);
    const pixels = new Uint32Array(image.data.buffer);
    const values = planeShown(maps, i);
    for (let k = 0; k < pixels.length; k++) pixels[k] = table[values[k] & 255];
    if (maps.unsure && state.opacity) markUnsure(maps, i, pixels);
    const canvas = painted.get(maps) ?? make("canvas", { width: maps.side, height: maps.side });
    painted.set(maps, canvas);
    penOf(canvas).putImageData(image, 0, 0);
    return canvas;
  }
  function markUnsure(maps, i, pixels) {
    const values = plane(maps, i);
    for (let k = 0; k < pixels.length; k++) {
      const dot = k % maps.side % 6 < 2 && Math.floor(k / maps.side) % 6 < 2;
      if (dot && unsureAt(maps, i, k) && !isHidden(values[k], state.side)) pixels[k] = 2952790016;
    }
  }
  function contours(pen, maps, i, limit, { left, top, width, height }, size) {
    const values = planeShown(maps, i);
    for (const level of state.levels.flatMap((share2) => [share2, -share2])) {
      if (isHidden(level, state.side)) continue;
      const lines = isoline(values, maps.side, level * limit / maps.scale[i]);
      const thick = Math.max(1, size / 420);
      stroke(pen, lines, maps.side, { left, top, width, height }, { ink: "rgb(255 255 255)", thick, dash: level < 0 ? [5 * thick, 4 * thick] : [] });
    }
  }
  function outlineOrigin(canvas, result, { side, values, level }) {
    const place = within(frame(canvas, state.view), result.seen.film.crop);
    const thick = Math.max(1, canvas.width / 420);
    stroke(penOf(canvas), isoline(values, side, level), side, place, { ink: ORIGIN, thick, dash: [thick, 3 * thick] });
  }
  function stroke(pen, lines, side, { left, top, width, height }, { ink, thick, dash }) {
    const path = new Path2D();
    for (const [a, b] of lines) {
      path.moveTo(left + a[0] * width / side, top + a[1] * height / side);
      path.lineTo(left + b[0] * width / side, top + b[1] * height / side);
    }
    for (
      const [colour, times] of
      /** @type {const} */
      [["rgb(0 0 0 / .75)", 3], [ink, 1.2]]
    ) {
      pen.save();
      Object.assign(pen, { strokeStyle: colour, lineWidth: thick * times, lineCap: "round" });
      pen.setLineDash(dash);
      pen.stroke(path);
      pen.restore();
    }
  }
  function hatch(pen, canvas, crop, view) {
    const { left, top, width, height } = frame(canvas, view);
    const inner = within({ left, top, width, height }, crop);
    const [x0, y0, x1, y1] = [inner.left, inner.top, inner.left + inner.width, inner.top + inner.height];
    const strips = [
      [left, top, x0 - left, height],
      [x1, top, left + width - x1, height],
      [x0, top, x1 - x0, y0 - top],
      [x0, y1, x1 - x0, top + height - y1]
    ].filter(([, , w, h]) => w > 0.5 && h > 0.5);
    const period = Math.max(6, Math.round(Math.max(canvas.width, canvas.height) / 64));
    for (const [x, y, w, h] of strips) {
      pen.save();
      pen.beginPath();
      pen.rect(x, y, w, h);
      pen.clip();
      pen.fillStyle = "rgb(0 0 0 / .67)";
      pen.fill();
      pen.strokeStyle = "rgb(115 115 115)";
      pen.lineWidth = Math.max(1, period / 8);
      pen.beginPath();
      for (let d = x; d < x + w + h; d += period) {
        pen.moveTo(d, y);
        pen.lineTo(d - h, y + h);
      }
      pen.stroke();
      pen.restore();
    }
  }
  var [KNOWN, MARKED, ORIGIN] = ["rgb(255 214 70)", "rgb(120 255 160)", "rgb(190 230 255)"];
  function outline(pen, canvas, view, label) {
    const film = state.film;
    if (!film) return;
    const place = frame(canvas, view);
    const marked = guessing() ? [film.guess?.edges] : boxesOf(label).map((box) => box.edges);
    const known = guessing() ? [] : state.quiz.on ? truthEdges(film) : plantedEdges(film, label);
    const unit = canvas.width / 500;
    const draw = (ink, [left, top, right, bottom], dash) => {
      pen.save();
      pen.setLineDash(dash);
      for (
        const [colour, thick] of
        /** @type {const} */
        [["rgb(0 0 0 / .8)", 4], [ink, 2]]
      ) {
        Object.assign(pen, { strokeStyle: colour, lineWidth: Math.max(1, thick * unit) });
        pen.strokeRect(place.left + left * place.width, place.top + top * place.height, (right - left) * place.width, (bottom - top) * place.height);
      }
      pen.restore();
    };
    for (const edges of [...marked, state.pulled].filter(present)) draw(MARKED, edges, []);
    for (const edges of known) draw(KNOWN, edges, [10 * unit, 6 * unit]);
  }

  // cxr_demo/web/viewer/folders.js
  var RESULT = "maps.npz";
  var TABLE = /\.(csv|tsv|json)$/i;
  var isTable = (file) => TABLE.test(file.name);
  async function filesDropped(carried, known) {
    const items = [...carried.items].filter((item) => item.kind === "file").map((item) => ({ entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile() }));
    const single = items.filter(({ entry }) => !entry?.isDirectory).flatMap(({ file }) => file ?? []);
    const inFolders = [];
    for (const { entry } of items) if (entry?.isDirectory) inFolders.push(...await walked(entry));
    const { files, others } = await filmsAmong(inFolders, known);
    return { files: [...single, ...files], others };
  }
  async function filmsAmong(files, known) {
    const results = new Set(files.filter((file) => file.name === RESULT).map(folderOf));
    const visible = files.filter((file) => !results.has(folderOf(file)) && !pathOf(file).split("/").some((part) => part.startsWith(".") || part === "__MACOSX"));
    const wanted = await Promise.all(visible.map((file) => claimsFilm(file, known)));
    const found = visible.filter((_, i) => wanted[i]);
    return { files: found, others: visible.length - found.length };
  }
  var pathOf = (file) => file.webkitRelativePath || file.name;
  var folderOf = (file) => pathOf(file).slice(0, -file.name.length);
  var HEAD = 1024;
  var CLASS = "\0\0UI";
  async function claimsFilm(file, { signatures, withoutImage }) {
    if (file.name.toUpperCase() === "DICOMDIR") return false;
    try {
      const bytes = [...new Uint8Array(await file.slice(0, HEAD).arrayBuffer())];
      const head = bytes.map((byte) => String.fromCharCode(byte)).join("");
      const kind = head.startsWith("DICM", 128) ? head.split(CLASS)[1]?.slice(2) ?? "" : "";
      if (withoutImage.some((start3) => kind.startsWith(start3))) return false;
      const digits = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
      return signatures.some(([at, start3]) => digits.startsWith(start3, 2 * at));
    } catch {
      return true;
    }
  }
  async function walked(entry) {
    if (entry.name.startsWith(".")) return [];
    if (entry.isFile) return [await new Promise((done, failed) => (
      /** @type {FileSystemFileEntry} */
      entry.file(done, failed)
    ))];
    const reader = (
      /** @type {FileSystemDirectoryEntry} */
      entry.createReader()
    );
    const entries = [];
    for (; ; ) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) break;
      entries.push(...some);
    }
    if (entries.some((one) => one.name === RESULT)) return [];
    entries.sort((a, b) => a.name < b.name ? -1 : 1);
    const files = [];
    for (const one of entries) files.push(...await walked(one));
    return files;
  }

  // cxr_demo/web/viewer/predictions.js
  function isAbove(seen, i) {
    const threshold = seen.thresholds[i];
    return threshold !== null && seen.probabilities[i] >= threshold;
  }
  var mayBeMisread = ({ warnings }) => warnings.some(({ id }) => id?.startsWith("warning.read."));
  var LEAST = 0.05;
  function foremost({ ranked, thresholds, probabilities }) {
    const margins = ranked.map((i) => {
      const threshold = thresholds[i];
      return threshold === null || probabilities[i] < LEAST ? -Infinity : logit(probabilities[i]) - logit(threshold);
    });
    return ranked[margins.indexOf(Math.max(...margins))];
  }
  function logit(p) {
    const inside = clamp(p, 1e-6, 1 - 1e-6);
    return Math.log(inside / (1 - inside));
  }
  function combined(probabilities) {
    const mean = probabilities.reduce((sum, p) => sum + logit(p), 0) / probabilities.length;
    return 1 / (1 + Math.exp(-mean));
  }
  var AXIS = [5e-3, 0.95];
  function alongAxis(p) {
    const [low, high] = AXIS.map(logit);
    return clamp((logit(p) - low) / (high - low), 0, 1);
  }

  // cxr_demo/web/viewer/session.js
  var [FILMS, DISPLAY] = ["cxr-films", "cxr-display"];
  function keepFilms() {
    const films = state.films.filter((film) => film.source && (!film.error || film.results.size));
    keep(FILMS, {
      model: state.wanted ?? chosenModel(),
      pinned: state.pinned,
      at: films.findIndex((film) => film === state.film),
      films: films.map(({ name, source, boxes, findings }) => ({ name, source, boxes, findings: [...findings] }))
    });
  }
  function keptFilms() {
    const found = kept2(FILMS);
    return found?.films.length ? found : null;
  }
  function keepDisplay() {
    const { on: on2, opacity, scale, side, palette, smooth } = state;
    keep(DISPLAY, { methods: [...on2], look: { opacity, scale, side, palette, smooth } });
  }
  var keptDisplay = () => kept2(DISPLAY);
  function keep(key, value) {
    if (!takesFilms()) return;
    try {
      sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
    }
  }
  function kept2(key) {
    if (!takesFilms()) return null;
    try {
      return JSON.parse(sessionStorage.getItem(key) ?? "null");
    } catch {
      return null;
    }
  }

  // cxr_demo/web/viewer/viewport.js
  var LARGEST = 16;
  function lookAt(x, y, zoom) {
    const closer = clamp(zoom, 1, LARGEST);
    const edge = 1 - 1 / closer;
    setView({ x: clamp(x, 0, edge), y: clamp(y, 0, edge), zoom: closer });
    publish("view");
    askPixels();
    drawSoon();
  }
  function lookAfresh() {
    setLevels({ low: 0, high: 1, inverted: false });
    lookAt(0, 0, 1);
    setWindow(0.5, 1, false);
    note("look", "");
  }
  function zoomAt(place, times) {
    const { x, y, zoom } = state.view;
    const closer = clamp(zoom * times, 1, LARGEST);
    lookAt(place.x - (place.x - x) * zoom / closer, place.y - (place.y - y) * zoom / closer, closer);
  }
  var middle = () => ({ x: state.view.x + 0.5 / state.view.zoom, y: state.view.y + 0.5 / state.view.zoom });
  var zoomBy = (times) => zoomAt(state.pointer ?? middle(), times);
  var moveBy = (dx, dy) => lookAt(state.view.x + dx / state.view.zoom, state.view.y + dy / state.view.zoom, state.view.zoom);
  function point2(place) {
    if (!current()) return;
    setPointer(place && { x: clamp(place.x, 0, 1), y: clamp(place.y, 0, 1) });
    publish("point");
  }
  function setWindow(centre, width, inverted = state.window.inverted) {
    const wide = clamp(width, NARROWEST, 1);
    const at = clamp(centre, 0, 1);
    setLevels({ low: at - wide / 2, high: at + wide / 2, inverted });
    publish("view");
    askPixels();
    drawSoon();
  }
  function autoWindow() {
    const result = current();
    if (!result) return;
    const levels2 = levelsOf(result);
    const [low, high] = hundredths(levels2[levels2.length - 1], result.seen.film.crop);
    setWindow((low + high) / 2, high - low);
  }
  function invertWindow() {
    const { low, high, inverted } = state.window;
    setWindow((low + high) / 2, high - low, !inverted);
  }
  function placeOn(canvas, event) {
    const box = canvas.getBoundingClientRect();
    const { x, y, zoom } = state.view;
    return { x: x + (event.clientX - box.left) / box.width / zoom, y: y + (event.clientY - box.top) / box.height / zoom };
  }

  // cxr_demo/web/viewer/actions.js
  function choose(film, afresh = film !== state.film) {
    leave();
    const another = film !== state.film;
    if (another && state.film) forget(state.film);
    lookAtFilm(film);
    if (another) lookAfresh();
    if (afresh) useModelOf(film);
    setPointer(null);
    const result = current();
    if (result) {
      forgetError(film);
      modelAnswered(state.model);
      settle(result);
      complete();
      askTrust();
    } else if (film.source) {
      filmWaits(film);
      askFilm(film);
    }
    publish("film");
  }
  function forget(film) {
    forgetPixels(film);
    forgetPictures(film);
  }
  function settle(result) {
    const { seen } = result;
    setSpec(seen.spec);
    const i = firstFinding(result);
    chooseFinding(i, seen.labels[i]);
    publish("findings");
    askPixels();
  }
  function firstFinding({ film, seen }) {
    const known = knownFindings(film) ?? [];
    const wanted = [state.pinned, film.findings.get(state.model), seen.ranked.map((i) => seen.labels[i]).find((label) => known.includes(label))];
    return wanted.map((label) => seen.labels.indexOf(label ?? "")).find((i) => i >= 0) ?? foremost(seen);
  }
  function tellOthers(others) {
    if (!others) return;
    setOthers(state.others + others);
    publish("film");
  }
  function openArchive(archive, members, others) {
    if (!state.films.includes(archive)) return;
    const shown2 = archive === state.film;
    const told = state.others;
    const films = members.map((member) => addFilm(nameOf(member), { .../** @type {Source} */
    archive.source, member }));
    removeFilms((film) => film === archive);
    if (shown2) choose(films[0]);
    setOthers(told);
    tellOthers(others);
    publish("films");
  }
  var nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);
  async function addDropped({ files, others }) {
    const tables = files.filter(isTable);
    for (const table of tables) readBoxes(table.name, decoded(await table.arrayBuffer()));
    const added = files.filter((file) => !tables.includes(file)).map((file) => ({ file, film: addFilm(file.name, null) }));
    if (added.length) choose(added[0].film);
    tellOthers(others);
    for (const { file, film } of added) {
      await sendOne(file, film);
      if (film === state.film) choose(film);
      else filmRests(film);
      publish("films");
    }
  }
  async function sendOne(file, film) {
    try {
      filmSent(film, { kind: "file", path: await sendFile(file), name: file.name });
    } catch {
      dropFilm(film, file.size > state.page.megabytes * 2 ** 20 ? tr("ui.films.too_large", { name: file.name, n: state.page.megabytes }) : tr("ui.films.could_not_send", { name: file.name }));
    }
  }
  function addBuiltIn(kind, item, finding = null) {
    const known = state.films.find((film2) => film2.source?.kind === kind && film2.source.key === item.key);
    const film = known ?? addFilm(item.title, { kind, key: item.key }, { boxes: [...item.boxes ?? []] });
    if (finding !== null) openWith(film, item.model?.name ?? chosenModel(), finding);
    choose(film, true);
  }
  function addLesson(item, finding = null) {
    addBuiltIn("lesson", { ...item, title: nameOfLesson(item) }, finding);
  }
  var nameOfLesson = (item) => tr("ui.films.failure_case", { method: item.title });
  function builtInName({ kind, key }) {
    const { phantoms, examples, lessons } = state.page;
    const lists = { phantom: phantoms, example: examples, lesson: lessons };
    const item = lists[kind]?.find((one) => one.key === key);
    if (!item) return null;
    return kind === "lesson" ? nameOfLesson(item) : item.title;
  }
  function removeFilm() {
    const film = state.film;
    if (!film) return;
    leave();
    const at = state.films.indexOf(film);
    removeFilms((one) => one === film);
    chooseOrNone(state.films[Math.min(at, state.films.length - 1)]);
  }
  function dropFilm(film, reason) {
    const at = state.films.indexOf(film);
    if (at < 0) return;
    const failures = [...state.failures, reason.includes(film.name) ? reason : `${film.name}: ${reason}`];
    removeFilms((one) => one === film);
    if (film === state.film) chooseOrNone([state.films[at], state.filmBefore, state.films[at - 1]].find((one) => one && state.films.includes(one)));
    setFailures(failures);
    publish("film");
  }
  function chooseOrNone(film) {
    if (film) return choose(film);
    lookAtFilm(null);
    publish("findings");
    publish("film");
  }
  function correct(film, correction, part = null) {
    leave();
    const { correction: before = "", part: kept4 } = film.source ?? {};
    correctFilm(film, correction, part, film.boxes.map((box) => ({ ...box, edges: corrected(asSent(box.edges, turnsOf(before), kept4), turnsOf(correction ?? ""), part ?? void 0) })));
    forget(film);
    choose(film);
    lookAfresh();
  }
  function explainAnyway(film) {
    requestMaps(film);
    complete();
    publish("film");
  }
  function chooseModel(name) {
    setNaming(0);
    wantModel(null);
    note("model", "");
    leave();
    adoptExample();
    setModel(name);
    publish("naming");
    for (const film of state.films) if (film.source) forgetError(film);
    if (state.film) choose(state.film);
    else askFilm(null);
    forgetFinding();
  }
  function returnToModel(why) {
    if (state.film) filmRests(state.film);
    chooseModel(state.modelThatAnswers);
    publish("model");
    note("model", why);
  }
  function useModelOf(film) {
    keepModel(chosenModel());
    setModel(lessonOf(film)?.model.name ?? state.modelBefore);
    publish("model");
    forgetFinding();
  }
  function forgetFinding() {
    if (current()) return;
    chooseNoFinding();
    publish("findings");
  }
  function pick(i) {
    const seen = current()?.seen;
    if (!seen) return;
    chooseFinding(i, seen.labels[i]);
    if (state.pinned !== null) pinFinding(seen.labels[i]);
    keepFilms();
    for (
      const topic of
      /** @type {const} */
      ["mark", "draw", "trust", "grid"]
    ) publish(topic);
  }
  function drawing(is) {
    setDrawing(is);
    note("box", is ? tr("ui.films.draw_hint") : "");
    publish("boxes");
    publish("draw");
  }
  function finishBox(edges) {
    pullBox(null, null);
    const film = state.film;
    if (film && edges[2] - edges[0] > 0.01 && edges[3] - edges[1] > 0.01) {
      drawing(false);
      if (guessing()) {
        guess(film, { edges });
        publish("quiz");
      } else {
        addBox(film, { label: state.label, edges });
        keepFilms();
        askTrust(true);
      }
    }
    publish("draw");
  }
  function clearBoxes() {
    if (!state.film) return;
    setBoxes(state.film, state.film.boxes.filter((box) => box.label !== state.label));
    keepFilms();
    publish("draw");
    askTrust(true);
  }
  function readBoxes(name, text) {
    const { read, wrong, known } = readBoxTable(name, text);
    const table = new Map(state.table);
    for (const [key, boxes] of read) table.set(key, [...(table.get(key) ?? []).filter((box) => box.from !== name), ...boxes]);
    setTable(table);
    const found = [...read.values()].flat();
    const here = state.films.some((film) => read.has(stem(film.name)));
    const others = found.filter((box) => !state.spec.labels.includes(labelOf(box.label))).length;
    const words2 = [
      found.length ? tr("ui.films.boxes_read", { n: found.length, name }) : "",
      wrong ? tr("ui.films.boxes_wrong", { n: wrong, name }) : "",
      !known ? tr("ui.films.boxes_unknown", { name }) : !found.length && !wrong ? tr("ui.films.boxes_none", { name }) : "",
      others ? tr("ui.films.boxes_other_findings", { n: others }) : ""
    ].filter(Boolean).join(" ");
    const waits = found.length > 0 && !here;
    awaitTable(waits ? { words: words2, stems: new Set(read.keys()) } : null);
    note("box", waits ? `${words2} ${tr("ui.films.boxes_no_film")}` : words2);
    for (const film of state.films) for (const result of film.results.values()) giveBoxes(result);
    if (current() && !isExample()) {
      publish("draw");
      askTrust(true);
    }
  }
  function giveBoxes({ film, seen }) {
    const key = stem(film.name);
    const known = state.table.get(key) ?? [];
    const { inside, beside } = placed(known, seen.film, turnsOf(film.source?.correction ?? ""), film.source?.part);
    if (state.awaited?.stems.has(key)) {
      note("box", state.awaited.words);
      awaitTable(null);
    }
    if (known.length) setBoxes(film, [...film.boxes.filter((box) => !box.given), ...inside]);
    if (beside && !film.source?.part) note("box", tr("ui.films.boxes_beside", { n: beside, name: film.name }));
    keepFilms();
  }

  // cxr_demo/web/viewer/numbers.js
  var fixed = (value, digits) => value.toFixed(digits).replace(".", point());
  var percent = (p) => `${fixed(100 * p, p < 0.0995 ? 1 : 0)} %`;
  function signed(value, reference = Math.abs(value)) {
    const digits = reference >= 10 ? 1 : reference >= 1 ? 2 : reference >= 0.1 ? 3 : 4;
    const text = Math.abs(value).toFixed(digits);
    return Number(text) === 0 ? "0" : (value > 0 ? "+" : "\u2212") + text.replace(".", point());
  }
  var signedWhole = (points) => points === 0 ? "0" : `${points > 0 ? "+" : "\u2212"}${Math.abs(points).toFixed(0)}`;
  var figure = (value, digits = 2) => value === null || value === void 0 ? "\u2013" : fixed(Number(value.toFixed(digits)) || 0, digits).replace("-", "\u2212");
  var share = (value) => value === null || value === void 0 ? "\u2013" : `${figure(100 * value, 0)} %`;
  var lasting = (seconds) => seconds >= 90 ? tr("ui.common.minutes", { n: Math.round(seconds / 60) }) : `${Math.max(1, Math.round(seconds))} s`;
  var sentenceCase = (text) => text[0].toUpperCase() + text.slice(1);
  function distinct(names) {
    const [first = "", ...others] = names;
    let shared = 0;
    while (others.length && shared < first.length && others.every((name) => name[shared] === first[shared])) shared += 1;
    return shared > 5 && shared < Math.min(...names.map((name) => name.length)) ? names.map((name) => `\u2026${name.slice(shared)}`) : names;
  }

  // cxr_demo/web/viewer/progress.js
  var FEW = 8;
  function waiting({ ahead, wait }) {
    if (ahead === null || ahead === void 0) return null;
    const turn = ahead ? tr("ui.progress.waiting", { n: ahead }) : tr("ui.progress.waiting_next");
    return wait ? tr("ui.progress.turn_and_time", { turn, time: lasting(wait) }) : turn;
  }
  function words({ state: now, error, stopped, steps: [done, total] = [0, 0], forwards, ahead, wait, since, latest }) {
    const why = error ?? stopped;
    if (why && now === "done") return `${say(why)} ${tr("ui.progress.earlier_map")}`;
    if (error) return say(error);
    if (stopped) return `${say(stopped)} ${forwards ? tr("ui.progress.map_of_copies", { done, n: total }) : tr("ui.progress.no_map")}`;
    if (now === "stopping") return tr("ui.progress.stopping");
    if (now === "done" || now === "stopped") return "";
    return waiting({ ahead, wait }) ?? (total ? altered(since, latest, done, total) : tr("ui.progress.starting"));
  }
  function altered(since, latest, done, total) {
    if (!since || !latest || latest.done <= since.done) return tr("ui.progress.copies", { done, n: total });
    const each = (latest.at - since.at) / (latest.done - since.done);
    const left = each * (total - latest.done) - (performance.now() - latest.at);
    return left <= 0 ? tr("ui.progress.copies", { done, n: total }) : tr("ui.progress.copies_and_time", { done, n: total, time: lasting(left / 1e3) });
  }
  function pace(method) {
    const alike = state.page.methods.filter(({ cost }) => cost === method.cost);
    const ran = [method, ...alike].map(entryOf2).find((entry) => !isBusy(entry) && (entry?.forwards ?? 0) > FEW);
    return ran?.forwards && ran.seconds !== void 0 ? ran.seconds / ran.forwards : null;
  }

  // cxr_demo/web/viewer/export.js
  function createExport() {
    const save = button(tr("ui.export.save"), {
      class: "quiet",
      id: "cxr-save-all",
      disabled: true,
      title: tr("ui.export.save_hint")
    }, askExport);
    const status = make("span", { class: "soft", role: "status" });
    on("export", () => {
      setDisabled(save, state.packing.run !== null || current()?.exporting?.state === "running" || !finished().length);
      setText(status, exportWords());
    });
    return { save, status };
  }
  function askExport() {
    const result = current();
    const done = finished();
    if (!result || !done.length) return;
    const run = nextRun();
    const without = shown().filter((method) => !done.includes(method)).map((method) => method.title);
    setExporting(result, { run, state: "running", without: without.join(", ") });
    ask("export", {
      ...about(run),
      finding: state.chosen,
      methods: done.map((method) => method.key),
      settings: Object.fromEntries(done.map((method) => [method.key, entryOf2(method)?.settings])),
      boxes: boxesTold(result.film)
    });
    publish("export");
  }
  function heardExport(answer) {
    if (answer.run === state.packing.run) return heardPacked(answer);
    const exporting = current()?.exporting;
    if (exporting?.run !== answer.run || exporting?.state !== "running") return;
    changePart(exporting, { ahead: answer.ahead, wait: answer.wait });
    if (answer.path) {
      changePart(exporting, { state: "done" });
      follow(addressOf(answer.path), answer.name ?? "");
    } else if (answer.error || answer.stopped) changePart(exporting, { state: "stopped", error: answer.error ?? answer.stopped });
    publish("export");
  }
  function exportWords() {
    const exporting = current()?.exporting;
    if (!exporting) return "";
    if (exporting.error) return say(exporting.error);
    if (exporting.state === "running") return waiting(exporting) ?? tr("ui.export.packing");
    return exporting.without ? tr("ui.export.saved_without", { methods: exporting.without }) : "";
  }
  function createPacking() {
    const save = button(tr("ui.export.save_films"), {
      class: "quiet",
      id: "cxr-save-films",
      title: tr("ui.export.save_films_hint")
    }, packFilms);
    const stop2 = button(tr("ui.common.stop"), { class: "stop", disabled: true, "aria-label": tr("ui.export.stop_saving") }, () => {
      ask("stop", { method: "export", run: state.packing.run });
      endPacking(tr("error.stopped.on_request"));
    });
    const status = make("span", { class: "soft", role: "status" });
    on("packing", (words2) => {
      setDisabled(save, state.packing.run !== null);
      setDisabled(stop2, state.packing.run === null);
      setText(status, words2);
      publish("export");
    });
    return [save, stop2, status];
  }
  function packFilms() {
    const question = {
      model: state.model,
      finding: state.spec.labels.indexOf(state.label),
      methods: shown().map((method) => method.key),
      settings: Object.fromEntries(shown().map((method) => [method.key, settingsOf(method)]))
    };
    const films = state.films.filter((film) => film.source && (resultOf(film) || !film.error));
    changePacking({ waiting: films.map((film) => ({ name: film.name, ask: { ...question, source: film.source, boxes: boxesTold(film) } })), paths: [], failed: 0 });
    packNext();
  }
  function packNext() {
    const run = nextRun();
    const [film = null, ...waits] = state.packing.waiting;
    changePacking({ run, film, waiting: waits });
    const { paths } = state.packing;
    if (!film && !paths.length) return endPacking(tr("ui.export.none_saved"));
    if (film) ask("export", { run, ...film.ask });
    else ask("bundle", { run, paths });
    publish("packing", packing());
  }
  function packing() {
    const { film, paths, failed, waiting: waits } = state.packing;
    const done = paths.length + failed;
    return film ? tr("ui.export.progress", { name: film.name, done, n: done + waits.length + 1 }) : tr("ui.export.packing");
  }
  function heardPacked(answer) {
    if (answer.run !== state.packing.run) return;
    const { film, paths, failed, waiting: waits } = state.packing;
    if (answer.path && film) changePacking({ paths: [...paths, answer.path] });
    else if (answer.path) {
      follow(addressOf(answer.path), answer.name ?? "");
      return endPacking(failed ? tr("ui.export.some_failed", { n: failed }) : "");
    } else if (answer.stopped && film) changePacking({ waiting: [film, ...waits] });
    else if (answer.error && film) changePacking({ failed: failed + 1 });
    else if (answer.error) return endPacking(say(answer.error));
    else return publish("packing", waiting(answer) ?? packing());
    packNext();
  }
  function endPacking(words2) {
    changePacking({ run: null, film: null, waiting: [] });
    publish("packing", words2);
  }

  // cxr_demo/web/viewer/gridruns.js
  function filmsToCompare() {
    const { film: looked, beside } = state;
    const films = [...looked ? [looked] : [], ...answered().filter((film) => film !== looked)];
    if (!films.some((film) => film.compared)) {
      for (const film of [looked, beside ?? films[1]]) if (film) compareFilm(film, true);
    }
    return films;
  }
  var settingOf = (method) => method.settings.find((setting) => setting.name === state.grid.setting) ?? null;
  function runGrid(method, written, models) {
    if (!current()) return "";
    stopGrid();
    const { kind } = state.grid;
    changeGrid({ ran: kind, film: state.film, source: state.film?.source ?? null, model: state.model, cells: /* @__PURE__ */ new Map() });
    const columns = kind === "settings" ? method && settingColumns(method, written) : kind === "films" ? filmColumns() : modelColumns(models);
    if (!columns) {
      changeGrid({ ran: null });
      publish("grid");
      return tr("ui.grid.needs_numbers", { setting: sentenceCase(method ? settingOf(method)?.title ?? "" : "") });
    }
    const rows = kind === "settings" && method ? [method] : shown();
    changeGrid({ columns, rows, jobs: columns.flatMap((column, k) => rows.map((one) => ({ method: one, column, k, run: 0 }))) });
    nextJob();
    return "";
  }
  function settingColumns(method, written) {
    const setting = settingOf(method);
    if (!setting) return [];
    const number = !setting.choices.length;
    const values = [...new Set(written.split(",").map((text) => text.trim()).filter(Boolean))];
    if (number && (!values.length || !values.every((value) => Number.isFinite(Number(value))))) return null;
    return values.map((value) => ({
      name: `${setting.title} ${value}`,
      model: state.model,
      settings: { ...settingsOf(method), [setting.name]: number ? Number(value) : value }
    }));
  }
  var filmColumns = () => filmsToCompare().filter((film) => film.compared).map((film) => ({ name: film.name, model: state.model, film }));
  var modelColumns = (chosen) => state.models.filter((model) => !chosen.length || chosen.includes(model.name)).map(({ name, title }) => ({ name: title, model: name }));
  function nextJob() {
    const [next, ...jobs] = state.grid.jobs;
    const job = next ? { ...next, run: nextRun() } : null;
    changeGrid({ jobs, job });
    if (job) {
      const { method, column, run } = job;
      setCell(job, { state: "running" });
      ask(method.key, {
        run,
        source: (column.film ?? state.grid).source,
        model: column.model,
        settings: column.settings ?? settingsOf(method),
        aside: true
      });
    }
    publish("grid");
  }
  function stopGrid() {
    const { job } = state.grid;
    changeGrid({ jobs: [], job: null });
    if (!job) return;
    ask("stop", { method: "aside", run: job.run });
    setCell(job, { state: "stopped", stopped: sentence("error.stopped.on_request") });
  }
  async function heardJob(answer) {
    const { job } = state.grid;
    if (!job) return;
    const maps = answer.maps && answer.complete ? await unpacked(answer.maps) : null;
    if (state.grid.job !== job) return;
    const cell3 = { ...cellOf(job), ahead: null, ...answer, maps, state: maps ? "done" : answer.error || answer.stopped ? "stopped" : "running" };
    setCell(job, cell3);
    if (cell3.state === "running") publish("grid-status");
    else nextJob();
  }
  var cellOf = (job) => state.grid.cells.get(cellKey(job.method, job.k)) ?? null;

  // cxr_demo/web/viewer/popovers.js
  var GAP = 4;
  function createPopover(id, face, title, ...content) {
    const pane = make("div", { class: "popover", popover: "auto", id: `${id}-pane`, role: "dialog", "aria-label": title }, ...content);
    const opener = make("button", { type: "button", class: "quiet", id, popovertarget: pane.id, title, "aria-label": title, "aria-haspopup": "dialog" }, face);
    pane.addEventListener("beforetoggle", (event) => {
      if (
        /** @type {ToggleEvent} */
        event.newState === "open"
      ) hang(pane, opener);
    });
    return { opener, pane };
  }
  function hang(pane, opener) {
    const { left, right, top, bottom } = opener.getBoundingClientRect();
    const { innerWidth: width, innerHeight: height } = window;
    const [below, toRight] = [height - bottom >= top, width - left >= right];
    Object.assign(pane.style, {
      left: toRight ? `${Math.max(GAP, left)}px` : "auto",
      right: toRight ? "auto" : `${Math.max(GAP, width - right)}px`,
      top: below ? `${bottom + GAP}px` : "auto",
      bottom: below ? "auto" : `${height - top + GAP}px`,
      maxHeight: `${(below ? height - bottom : top) - 2 * GAP}px`,
      maxWidth: `${(toRight ? width - left : right) - 2 * GAP}px`
    });
  }

  // cxr_demo/web/viewer/facts.js
  function createFacts() {
    const facts = make("div", { class: "facts" });
    on("spec", () => showModel(facts));
    return createPopover("cxr-facts", "i", tr("ui.findings.facts"), facts);
  }
  var rounded = ({ value, low, high }) => ({ value: fixed(value, 2), low: fixed(low, 2), high: fixed(high, 2) });
  function showModel(facts) {
    const { spec } = state;
    const measured = spec.means.map((s) => make(
      "p",
      { class: "measured" },
      make("b", {}, `${say(s.metric)} ${fixed(s.value, 2)}`),
      make("span", { class: "soft" }, tr("ui.findings.mean_measured", { ...rounded(s), subset: say(s.subset) }))
    ));
    const several = spec.labels.length > 1 && spec.means.length;
    facts.replaceChildren(...[
      make("h2", {}, say(spec.title)),
      make("p", { class: "soft" }, make("code", {}, spec.revision)),
      several ? make("p", { class: "soft" }, tr("ui.findings.means")) : null,
      ...measured,
      spec.means.length ? null : make("p", { class: "soft" }, tr("ui.findings.not_measured")),
      spec.scored_on ? make("p", { class: "soft", lang: "en" }, spec.scored_on) : null,
      make("p", { class: "soft", lang: "en" }, spec.trained_on)
    ].filter(present));
    if (!current()) publish("findings");
  }

  // cxr_demo/web/viewer/models.js
  var UNNAMED = "";
  function createModels() {
    const list = make("select", { id: "cxr-model", onchange: () => {
      if (list.value !== UNNAMED) return chooseModel(list.value);
      list.value = state.model;
      openForm(form);
    } });
    const form = createForm(list);
    const show2 = () => {
      list.replaceChildren(...offered());
      list.value = state.model;
    };
    const problem = make("p", { class: "status early", id: "cxr-model-problem", role: "status" });
    on("note", (name) => {
      if (name === "model") setText(problem, state.notes.model);
    });
    on("model", show2);
    on("naming", () => {
      form.node.hidden = true;
    });
    show2();
    return { list, facts: createFacts(), form, problem, node: state.page.guests ? form.node : null };
  }
  function offered() {
    const lesson = state.film && lessonOf(state.film)?.model;
    const option = ({ name, title }) => make("option", { value: name }, title);
    return [
      ...lesson ? [make("option", { value: lesson.name, "data-lesson": true }, lesson.title)] : [],
      ...state.models.map(option),
      ...state.page.guests ? [option({ name: UNNAMED, title: tr("ui.models.another") })] : []
    ];
  }
  function createForm(list) {
    const field = make("input", {
      type: "text",
      id: "cxr-named",
      placeholder: "owner/name@revision",
      size: 24,
      required: true,
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      "aria-describedby": "cxr-named-status"
    });
    const status = make("span", { id: "cxr-named-status", class: "status", role: "status" });
    const node = make(
      "form",
      {
        class: "naming",
        hidden: true,
        "aria-label": tr("ui.models.title"),
        onsubmit: (event) => {
          event.preventDefault();
          askFor(form);
        },
        onkeydown: (event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          closeForm(form);
        }
      },
      make("label", { for: "cxr-named" }, tr("ui.models.from_hub")),
      field,
      make("button", { class: "quiet" }, tr("ui.models.use")),
      button(tr("ui.common.close"), { class: "quiet" }, () => closeForm(form)),
      status
    );
    const form = { node, field, status, list };
    return form;
  }
  function openForm({ node, field }) {
    document.querySelector(".popover:popover-open")?.hidePopover();
    node.hidden = false;
    field.focus();
  }
  function closeForm(form) {
    setNaming(0);
    showStatus(form, "");
    if (form.node.contains(document.activeElement)) (form.list.checkVisibility() ? form.list : document.getElementById("cxr-menu"))?.focus();
    form.node.hidden = true;
  }
  function showStatus({ status, field }, words2, wrong = false) {
    setText(status, words2);
    status.classList.toggle("early", wrong);
    field.setAttribute("aria-invalid", String(wrong));
  }
  function askFor(form) {
    showStatus(form, tr("ui.models.fetching"));
    askNamed(form.field.value.trim());
  }
  function askAgain(form, name) {
    wantModel(name);
    form.field.value = name;
    publish("film");
    openForm(form);
    askFor(form);
  }
  function heardNamed(form, { run, choice: choice2, error }) {
    if (!state.naming || run !== state.naming) return;
    setNaming(0);
    if (error || !choice2) {
      showStatus(form, error ? say(error) : "", true);
      if (state.film?.busy && !state.asked.size) choose(state.film);
      return;
    }
    if (!state.models.some((model) => model.name === choice2.name)) addModel({ name: choice2.name, title: say(choice2.title) });
    form.list.value = choice2.name;
    closeForm(form);
    chooseModel(choice2.name);
  }

  // cxr_demo/web/viewer/scramble.js
  var draws = [];
  var drawAll = () => draws.forEach((redraw) => redraw());
  function createScramble() {
    const depth = make("select", { id: "cxr-depth" }, ...state.page.depths.map(({ key, title }) => make("option", { value: key }, title)));
    const run = button(tr("ui.scramble.run"), { class: "quiet", id: "cxr-scramble" }, () => askScramble(depth.value));
    const status = make("span", { class: "soft", role: "status" });
    const maps = make("div", { class: "smalls" });
    const block = make(
      "div",
      { class: "block scrambling" },
      make("h4", {}, tr("ui.scramble.title")),
      make("p", { class: "soft" }, tr("ui.scramble.hint")),
      make("div", { class: "group" }, make("label", { for: "cxr-depth" }, tr("ui.scramble.permute")), depth, run, status),
      maps
    );
    on("scramble", () => {
      const scramble = current()?.scramble;
      setDisabled(run, scramble?.state === "running" || !finished().length || isExample());
      block.dataset.state = scramble?.state ?? "idle";
      setText(status, statusOf());
      showMaps(maps);
    });
    on("draw", drawAll);
    return block;
  }
  async function heardScramble(answer) {
    const scramble = current()?.scramble;
    if (!scramble || scramble.run !== answer.run) return;
    changePart(scramble, { ahead: answer.ahead, wait: answer.wait });
    if (answer.ahead === void 0 && !answer.busy) {
      if (answer.error && !answer.method) changePart(scramble, { state: "stopped", error: answer.error });
      else if (answer.complete) changePart(scramble, { state: "done" });
      else {
        const maps = answer.maps ? await unpacked(answer.maps) : null;
        const own2 = { kept: answer.kept, error: answer.error, maps };
        changePart(scramble, { maps: new Map(scramble.maps).set(answer.method ?? "", own2) });
      }
    }
    publish("scramble");
  }
  function statusOf() {
    if (isExample()) return tr("ui.scramble.not_of_example");
    const scramble = current()?.scramble;
    if (scramble?.error) return say(scramble.error);
    return scramble?.state === "running" ? waiting(scramble) ?? tr("ui.scramble.running") : "";
  }
  function showMaps(place) {
    const result = current();
    draws = [];
    place.replaceChildren(...[...result?.scramble?.maps ?? []].map(([key, found]) => figureOf(
      /** @type {Result} */
      result,
      key,
      found
    )));
    requestAnimationFrame(drawAll);
  }
  function figureOf(result, key, { kept: similarities, error, maps }) {
    const kept4 = similarities?.[state.chosen] ?? null;
    const method = methodOf(key);
    return make(
      "figure",
      { class: kept4 !== null && kept4 >= state.page.stays ? "stays" : null },
      maps && method && stageOf(result, method, maps),
      make("figcaption", {}, make("b", {}, titleOf(key)), ` ${error ? say(error) : verdictOf(kept4)}`)
    );
  }
  function stageOf(result, method, maps) {
    const canvas = make("canvas", { role: "img", "aria-label": tr("ui.scramble.map_of", { method: method.title }) });
    draws.push(() => {
      if (!canvas.isConnected || result !== current()) return;
      fit(canvas, result.image);
      picture(canvas, result, { maps, limit: maps.limit[state.chosen], stops: stopsOf(method) });
    });
    return make("div", { class: "stage small" }, canvas);
  }
  function verdictOf(kept4) {
    if (kept4 === null) return tr("ui.scramble.empty");
    return kept4 >= state.page.stays ? tr("ui.scramble.stays", { value: figure(kept4) }) : tr("ui.scramble.changes", { value: figure(kept4) });
  }

  // cxr_demo/web/viewer/curves.js
  var CONTROLS2 = {
    random: { title: () => tr("ui.curves.random_map"), dash: "2 3", border: "dotted" },
    lungs: { title: () => tr("ui.curves.lungs_alone"), dash: "7 3", border: "dashed" }
  };
  var colourOf = (key) => LINES[Math.max(0, state.page.methods.findIndex((method) => method.key === key)) % LINES.length];
  var nameOf2 = (name) => CONTROLS2[name]?.title() ?? titleOf(name);
  function curvesBlock(found) {
    const stale = !found.measured.has(state.chosen);
    const i = stale ? found.finding ?? 0 : state.chosen;
    const curves = found.measured.get(i)?.curves;
    const labels = current()?.seen.labels ?? [];
    if (!curves) return null;
    return make(
      "div",
      { class: "block curves" },
      stale ? button(tr("ui.curves.measure", { finding: readable(labels[state.chosen]) }), { class: "quiet measure" }, () => askTrust(true)) : null,
      make("h4", {}, tr("ui.curves.title", { finding: readable(labels[i]) })),
      make(
        "p",
        { class: "soft" },
        tr("ui.curves.what_it_is"),
        " ",
        tr("ui.curves.gap_is")
      ),
      make(
        "div",
        { class: "charts" },
        chart(tr("ui.curves.deletion"), tr("ui.curves.deletion_hint"), curves, "deletion"),
        chart(tr("ui.curves.insertion"), tr("ui.curves.insertion_hint"), curves, "insertion")
      ),
      legend(curves)
    );
  }
  var [WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, ABOVE] = [330, 190, 40, 14, 24, 8];
  function chart(title, hint, curves, kind) {
    const values = curves.lines.flatMap((line) => [...line.deletion, ...line.insertion]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const x = (t) => LEFT + t * (WIDTH - LEFT - RIGHT);
    const y = (v) => ABOVE + (1 - (v - low) / (high - low || 1)) * (HEIGHT - ABOVE - BOTTOM);
    const words2 = curves.lines.map((line) => tr(
      "ui.curves.from_to",
      { name: nameOf2(line.name), first: figure(line[kind][0]), last: figure(line[kind][line[kind].length - 1]) }
    ));
    const plot = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${words2.join(", ")}` });
    for (const t of [0, 0.25, 0.5, 0.75, 1]) {
      plot.append(
        shape("line", { x1: x(t), x2: x(t), y1: ABOVE, y2: HEIGHT - BOTTOM, class: "grid" }),
        shape("text", { x: x(t), y: HEIGHT - 8, "text-anchor": "middle" }, `${100 * t}`)
      );
    }
    for (const v of [low, (low + high) / 2, high]) {
      plot.append(
        shape("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v), class: "grid" }),
        shape("text", { x: LEFT - 4, y: y(v) + 4, "text-anchor": "end" }, figure(v, 1))
      );
    }
    plot.append(...curves.lines.map((line) => lineOf(line, curves.shares.map((t, j) => `${x(t)},${y(line[kind][j])}`).join(" "))));
    return make("figure", {}, make("figcaption", {}, make("b", {}, title), ` ${hint}`), plot);
  }
  function lineOf({ name }, points) {
    const control = CONTROLS2[name];
    return shape("polyline", {
      points,
      "data-line": name,
      fill: "none",
      "stroke-width": control ? 1.6 : 2.2,
      stroke: control ? "currentColor" : colourOf(name),
      "stroke-dasharray": control?.dash ?? ""
    });
  }
  function legend(curves) {
    const border = (name) => CONTROLS2[name] ? `2px ${CONTROLS2[name].border} currentColor` : `3px solid ${colourOf(name)}`;
    return make("ul", { class: "legend" }, ...curves.lines.map((line) => make(
      "li",
      {},
      make("i", { style: `border-top: ${border(line.name)}` }),
      tr("ui.curves.gap", { name: nameOf2(line.name), value: figure(line.gap) })
    )));
  }

  // cxr_demo/web/viewer/reliability.js
  function reliabilityOf({ key }, { entries, scramble, trust }, i) {
    const found = trust?.methods?.[key];
    if (!found || !trust.about.split(" ").includes(`${key}:${entries.get(key)?.run}`)) return null;
    const stays = (scramble?.maps.get(key)?.kept?.[i] ?? NaN) >= state.page.stays;
    const also = stays ? [tr("ui.cards.stays")] : [];
    return {
      key: found.verdict[i],
      stays,
      ...scoresOf(found, i),
      short: (stays ? also : [say(found.short[i])]).join(" "),
      full: [...found.says[i].map(say), ...also].join(" ")
    };
  }
  function scoresOf({ cover: cover2, covers }, i) {
    const { faithfulness, faithfulness_of_lungs: lungs, faithfulness_limit: limit } = covers[cover2[i]];
    return { score: faithfulness[i], lungs: lungs[i], limit: limit[i] };
  }
  function createMeter() {
    const [band, bar, mark2] = ["band", "bar", "mark"].map((name) => make("i", { class: name }));
    const scale = make("span", { class: "meter", role: "img" }, band, bar, mark2);
    const value = make("b"), lungs = make("small");
    const node = make(
      "div",
      { class: "predicts", hidden: true },
      make("span", {}, tr("ui.cards.predicts")),
      scale,
      value,
      lungs
    );
    const show2 = (method, scores) => {
      node.hidden = scores?.score === null || scores?.score === void 0;
      if (!scores || node.hidden) return;
      const wide = (score) => `${100 * Math.max(0, score ?? 0)}%`;
      band.style.width = wide(scores.limit);
      bar.style.width = wide(scores.score);
      mark2.style.left = wide(scores.lungs);
      setText(value, figure(scores.score));
      setText(lungs, scores.lungs === null ? "" : tr("ui.cards.lungs", { value: figure(scores.lungs) }));
      const words2 = tr("ui.cards.predicts_of", {
        method: method.title,
        finding: readable(state.label),
        value: figure(scores.score),
        lungs: figure(scores.lungs),
        limit: figure(scores.limit)
      });
      scale.setAttribute("aria-label", words2);
      node.title = words2;
    };
    return { node, show: show2 };
  }

  // cxr_demo/web/viewer/trust.js
  function createTrust() {
    const [reliable, agree] = [panel(tr("ui.trust.title")), panel(tr("ui.trust.agree"))];
    const show2 = () => {
      const found = current()?.trust ?? null;
      for (const { node, status } of [reliable, agree]) {
        node.dataset.state = found?.state ?? "idle";
        setText(status, trustWords(found));
      }
      overlay = null;
      refill(reliable.measures, found?.methods ? [curvesBlock(found), placesBlock(found)] : [], reliable.node);
      agree.measures.replaceChildren(...(found?.methods ? [agreementBlock(found)] : []).filter(present));
      requestAnimationFrame(drawOverlay);
      publish("tables");
      publish("scramble");
    };
    on("trust", show2);
    on("film", show2);
    on("draw", drawOverlay);
    on("drawer", drawOverlay);
    return { reliable: reliable.node, agree: agree.node };
  }
  function panel(title) {
    const measures = make("div", { class: "blocks" });
    const status = make("span", { class: "soft", role: "status" });
    return { node: make("div", { class: "believe" }, make("header", {}, make("h3", {}, title), status), measures), measures, status };
  }
  function heardTrust(answer) {
    const result = current();
    const trust = result?.trust;
    if (!trust || trust.run !== answer.run || answer.busy) return;
    if (answer.ahead !== void 0) {
      changePart(trust, { ahead: answer.ahead, wait: answer.wait });
    } else if (answer.stopped) {
      setTrust(result, null);
    } else {
      changePart(trust, { ahead: null, ...answer, state: answer.error ? "stopped" : "done" });
      if (answer.curves) takeMeasured(result, trust, answer.finding ?? 0, answer.curves, answer);
    }
    publish("trust");
  }
  async function takeMeasured(result, trust, i, curves, { overlay: overlay2, origin }) {
    const keep2 = (to, own3) => changePart(to, { measured: new Map(to.measured).set(i, own3) });
    const own2 = { curves, overlay: null, origin: null };
    keep2(trust, own2);
    const [planes, values] = await Promise.all([overlay2, origin].map(async (one) => new Int8Array(one ? await inflate(one.data) : [])));
    if (result.trust?.measured.get(i) !== own2) return;
    keep2(result.trust, { curves, overlay: overlay2 ? { side: overlay2.side, planes } : null, origin: origin ? { ...origin, values } : null });
    publish("trust");
    publish("cards");
  }
  function trustWords(found) {
    if (found?.error) return say(found.error);
    if (found?.state === "running") return waiting(found) ?? tr("ui.trust.measuring");
    return found?.state === "done" ? tr("ui.trust.measured_in", { seconds: figure(found.seconds, 1) }) : tr("ui.trust.not_yet");
  }
  var overlay = null;
  var drawOverlay = () => overlay?.();
  function agreementBlock(found) {
    const pairs = found.agreement ?? [];
    if (!pairs.length) return null;
    const i = state.chosen;
    const rows = pairs.map((pair) => (
      /** @type {const} */
      [
        tr("ui.trust.pair", { one: titleOf(pair.pair[0]), other: titleOf(pair.pair[1]) }),
        [cell(figure(pair.rank[i])), cell(figure(pair.rankOthers[i]), "soft"), cell(share(pair.top[i])), cell(share(pair.topOthers[i]), "soft")]
      ]
    ));
    const heads = [tr("ui.trust.rank"), tr("ui.trust.other_findings"), tr("ui.trust.top"), tr("ui.trust.other_findings")];
    const own2 = found.measured.get(i)?.overlay;
    return make(
      "div",
      { class: "block" },
      make("div", { class: "beside" }, makeTable(heads, rows), own2 ? overlayOf(own2) : null),
      make(
        "p",
        { class: "soft" },
        tr("ui.trust.agree_hint"),
        " ",
        tr("ui.trust.agree_wrong")
      )
    );
  }
  var cell = (text, kind) => make("td", kind ? { class: kind } : {}, text);
  function overlayOf(own2) {
    const canvas = make("canvas", {
      role: "img",
      "aria-label": tr("ui.trust.overlay")
    });
    overlay = () => {
      const result = current();
      if (result && canvas.isConnected) drawAgreement(canvas, result, own2);
    };
    return make("div", { class: "stage small" }, canvas);
  }
  function drawAgreement(canvas, result, { side, planes }) {
    fit(canvas, result.image);
    const [agreed, conflict] = [planes.subarray(0, side ** 2), planes.subarray(side ** 2)];
    const pixels = new ImageData(side, side);
    const stops2 = Object.values(coloursNow()).find((scale) => scale[0][0] < 0) ?? [];
    for (let k = 0; k < side ** 2; k++) {
      const [a, c] = [agreed[k] / 127, conflict[k] / 127];
      pixels.data.set(c > Math.abs(a) ? [150, 40, 200, 255 * c] : [...shade(stops2, a), 255 * Math.abs(a)], 4 * k);
    }
    const small = make("canvas", { width: side, height: side });
    penOf(small).putImageData(pixels, 0, 0);
    const pen = penOf(canvas);
    const { crop } = result.seen.film;
    const { left, top, width, height } = within(frame(canvas, state.view), crop);
    pen.drawImage(filmAt(result, canvas.width, canvas.height, state.view), 0, 0);
    pen.drawImage(small, left, top, width, height);
    hatch(pen, canvas, crop, state.view);
  }
  function placesBlock(found) {
    const i = state.chosen;
    const marker = found.marker ?? [];
    const labels = current()?.seen.labels ?? [];
    const methods = Object.entries(found.methods ?? {});
    const tableOf = (heads, cells) => makeTable(heads, methods.map(([key, m]) => (
      /** @type {const} */
      [titleOf(key), cells(m)]
    )));
    const lungsArea = share(1 - (found.lungs_area ?? 0));
    const predictions = tableOf([tr("ui.cards.predicts"), tr("ui.trust.lungs"), tr("ui.trust.limit"), tr("ui.trust.stability")], (m) => {
      const { score, lungs, limit } = scoresOf(m, i);
      return [cell(figure(score)), cell(figure(lungs), "soft"), cell(figure(limit), "soft"), cell(figure(m.stability[i]))];
    });
    const places = tableOf([tr("ui.trust.outside_lungs", { share: lungsArea }), tr("ui.trust.at_border"), tr("ui.trust.sum")], (m) => {
      const sum = m.sum[i] === null ? "\u2013" : tr("ui.trust.sum_of", { sum: figure(m.sum[i]), expected: figure(m.expected_sum[i]) });
      return [cell(share(m.outside_lungs[i])), cell(share(m.at_border[i])), cell(sum, "whole")];
    });
    const order = marker.map((_, k) => k).sort((a, b) => marker[b] - marker[a]);
    const most = order.slice(0, 3).map((k) => `${readable(labels[k])} ${figure(marker[k])}`).join(", ");
    return make(
      "div",
      { class: "block" },
      make("h4", {}, tr("ui.trust.measures")),
      make("div", { class: "beside" }, predictions, places),
      ...methods.map(([key, m]) => make("p", { class: "verdict" }, make("b", {}, titleOf(key)), " ", m.says[i].map(say).join(" "))),
      make("p", { class: "soft" }, tr("ui.trust.key"), " ", found.measured.get(i)?.origin ? tr("ui.trust.origin") : ""),
      make(
        "p",
        { class: "soft" },
        found.planted && say(found.planted),
        " ",
        found.lungs && say(found.lungs),
        " ",
        tr("ui.trust.marker", { value: figure(marker[i]), most })
      )
    );
  }

  // cxr_demo/web/viewer/answers.js
  function listen(channel, form) {
    const heard = {
      trust: heardTrust,
      scramble: heardScramble,
      estimate: (answer) => publish("estimate", answer),
      pixels: heardPixels,
      export: heardExport,
      bundle: heardPacked,
      named: (answer) => heardNamed(form, answer)
    };
    document.addEventListener(channel, (event) => {
      const answer = (
        /** @type {CustomEvent} */
        event.detail
      );
      if (!answer) return;
      heardServer();
      if (answer.failed) heardFailure(answer.failed, form);
      else if (answer.event && heard[answer.event]) heard[answer.event](answer);
      else if (answer.method) heardMethod(answer);
      else heardFilm(
        /** @type {Answer & Prediction} */
        answer
      );
    });
  }
  async function heardFilm(answer) {
    const { film = null, model = "", source = null } = answeredTurn(answer.turn ?? 0) ?? {};
    if (film && film !== state.film) filmRests(film);
    if (model !== state.model || source !== (film?.source ?? null) || film?.results.has(model)) return;
    if (answer.error && answer.model && model !== state.modelThatAnswers) return returnToModel(say(answer.error));
    if (!answer.error) modelAnswered(model);
    if (answer.spec && film === state.film) setSpec(answer.spec);
    if (!film) return;
    if (answer.members?.length) return openArchive(film, answer.members, answer.others ?? 0);
    if (answer.error && answer.unreadable && source?.kind === "file") return dropFilm(film, say(answer.error));
    if (answer.error) filmFailed(film, say(answer.error));
    else {
      filmRests(film);
      forgetError(film);
      const image = new Image();
      image.src = answer.film.png;
      await image.decode();
      if (source !== film.source || film.results.has(model)) return;
      show(film, model, answer, image);
    }
    publish(film === state.film ? "film" : "films");
  }
  function show(film, model, answer, image) {
    const result = addResult(film, model, answer, image);
    giveBoxes(result);
    if (!film.thumb) giveThumb(film, thumbnail(image));
    if (film !== state.film || model !== state.model) return;
    settle(result);
    complete();
  }
  async function heardMethod(answer) {
    if (state.grid.job?.run === answer.run) return heardJob(answer);
    const method = methodOf(answer.method ?? "");
    const result = current();
    const entry = method && entryOf2(method);
    if (!result || !entry || entry.run !== answer.run || entry.state === "done") return;
    const maps = answer.maps ? await unpacked(answer.maps) : null;
    if (result !== current() || entryOf2(method) !== entry || (entry.at ?? 0) > (answer.at ?? Infinity)) return;
    if ((answer.error || answer.stopped) && entry.before) return keepBefore(result, method, entry.before, answer);
    const progress = progressOf(entry, answer);
    changeEntry(entry, { ...progress, maps: maps ?? entry.maps });
    if (progress.state !== "running") return ended(method);
    publish("card", method);
    if (maps) publish("cards");
  }
  function ended(method) {
    publish("card", method);
    publish("cards");
    askTrust();
    publish("grid");
    publish("quiz");
  }
  function keepBefore(result, method, before, { error, stopped }) {
    setEntry(result, method, { ...before, error: error ?? null, stopped: stopped ?? null });
    ended(method);
  }
  function progressOf(entry, { maps: _packed, ...answer }) {
    const next = answer.error || answer.stopped ? "stopped" : answer.complete ? "done" : entry.state;
    const done = answer.steps?.[0] ?? 0;
    const latest = done > (entry.latest?.done ?? 0) ? { at: performance.now(), done } : entry.latest;
    const since = entry.since ?? latest;
    const why = next === "stopped" ? { stopped: answer.stopped ?? entry.stopped, error: answer.error ?? entry.error } : {};
    const before = next === "done" ? null : entry.before;
    return { ahead: null, ...answer, ...why, since, latest, before, state: next };
  }
  function heardFailure(failed, form) {
    const error = state.page.refused;
    const method = methodOf(failed);
    const entry = method && entryOf2(method);
    const { job } = state.grid;
    const part = failed === "export" ? current()?.exporting : failed === "trust" || failed === "scramble" ? current()?.[failed] : null;
    if (job && job.method === method && !isBusy(entry)) heardJob({ run: job.run, error });
    else if (entry) {
      const result = current();
      if (result && entry.before) return keepBefore(result, method, entry.before, { error });
      changeEntry(entry, { state: "stopped", error });
      ended(method);
    } else if (failed === "film") {
      refuseAsked(say(error));
      publish("film");
    } else if (failed === "named") heardNamed(form, { run: state.naming, error });
    else if (failed === "pixels") {
      if (state.film) noPixels(state.film, say(error));
    } else if (["export", "bundle"].includes(failed) && state.packing.run !== null) endPacking(say(error));
    else if (part) {
      refusePart(part, error);
      publish("trust");
      publish("export");
    }
  }

  // cxr_demo/web/viewer/gestures.js
  var fingers = /* @__PURE__ */ new Map();
  var STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function followPointers(canvas, readAloud, taken = () => false) {
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (!taken()) held = press(canvas, event);
    });
    canvas.addEventListener("pointermove", (event) => move(canvas, event, held));
    canvas.addEventListener("pointerup", (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", (event) => {
      if (!fingers.has(event.pointerId)) point2(null);
    });
    canvas.addEventListener("blur", () => point2(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", (event) => state.view.zoom > 1 ? lookAt(0, 0, 1) : zoomAt(placeOn(canvas, event), 2));
    canvas.addEventListener("wheel", (event) => turnWheel(canvas, event), { passive: false });
    canvas.addEventListener("touchmove", (event) => {
      if (event.touches.length > 1 || state.view.zoom > 1) event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => stepBy(event, readAloud));
  }
  function press(canvas, event) {
    point2(placeOn(canvas, event));
    fingers.set(event.pointerId, event);
    const windows = event.button === 2;
    if (fingers.size === 1 && (state.view.zoom > 1 || windows)) canvas.setPointerCapture(event.pointerId);
    return { windows, from: state.window, x: event.clientX, y: event.clientY };
  }
  function move(canvas, event, held) {
    if (event.pointerType === "mouse" && !event.buttons) fingers.delete(event.pointerId);
    const before = fingers.get(event.pointerId);
    if (!before) return point2(placeOn(canvas, event));
    const box = canvas.getBoundingClientRect();
    if (fingers.size === 2) pinch(canvas, event);
    else if (held?.windows) {
      const { low, high } = held.from;
      const width = (high - low) * 2 ** ((event.clientX - held.x) / box.width * 4);
      setWindow((low + high) / 2 + (event.clientY - held.y) / box.height, width);
    } else if (state.view.zoom > 1) {
      moveBy((before.clientX - event.clientX) / box.width, (before.clientY - event.clientY) / box.height);
    }
    fingers.set(event.pointerId, event);
    point2(placeOn(canvas, event));
  }
  function pinch(canvas, event) {
    const [one, other] = [...fingers.values()];
    const still = one.pointerId === event.pointerId ? other : one;
    const before = still === one ? other : one;
    const apart = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
    const between = (a, b) => placeOn(canvas, { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
    const [from, to] = [between(before, still), between(event, still)];
    const { x, y, zoom } = state.view;
    setView({ x: x - (to.x - from.x), y: y - (to.y - from.y), zoom });
    zoomAt(from, apart(event, still) / apart(before, still));
  }
  function turnWheel(canvas, event) {
    const ours = event.ctrlKey || event.metaKey || document.activeElement === canvas && (state.view.zoom > 1 || event.deltaY < 0);
    if (!ours) return;
    event.preventDefault();
    zoomAt(placeOn(canvas, event), 2 ** (-clamp(event.deltaY, -100, 100) / 200));
  }
  function stepBy(event, readAloud) {
    const step2 = STEPS[event.key];
    if (!step2 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.shiftKey) return moveBy(step2[0] / 8, step2[1] / 8);
    const from = state.pointer ?? middle();
    point2({ x: from.x + step2[0] / 56 / state.view.zoom, y: from.y + step2[1] / 56 / state.view.zoom });
    readAloud();
  }
  function placeCrosses(root) {
    for (
      const cross of
      /** @type {NodeListOf<HTMLElement>} */
      root.querySelectorAll(".cross")
    ) {
      const canvas = cross.parentElement?.querySelector("canvas");
      if (!canvas) continue;
      const { left, top, width, height } = frame({ width: canvas.offsetWidth, height: canvas.offsetHeight }, state.view);
      const [x, y] = state.pointer ? [left + state.pointer.x * width, top + state.pointer.y * height] : [-1, -1];
      cross.hidden = x < 0 || y < 0 || x > canvas.offsetWidth || y > canvas.offsetHeight;
      cross.style.left = `${canvas.offsetLeft + x}px`;
      cross.style.top = `${canvas.offsetTop + y}px`;
    }
  }

  // cxr_demo/web/viewer/beside.js
  function createBeside(readAloud) {
    const parts = createParts();
    followPointers(parts.canvas, readAloud);
    on("films", () => showBeside(parts));
    on("draw", () => drawBeside(parts));
    return parts;
  }
  function createParts() {
    const choice2 = make("select", { id: "cxr-beside", "aria-label": tr("ui.beside.film_beside"), onchange: () => {
      setBeside(choice2.value === "" ? null : state.films[Number(choice2.value)]);
      showBeside(parts);
    } });
    const box = group(make("label", { for: "cxr-beside" }, tr("ui.beside.beside_it")), choice2);
    box.hidden = true;
    const { canvas, node } = makeStage(tr("ui.beside.no_film"));
    const name = make("h3", {});
    const words2 = make("p", { class: "reading" });
    const card = make(
      "article",
      { class: "card beside-card", "aria-label": tr("ui.beside.card"), hidden: true },
      make("header", {}, name),
      node,
      words2
    );
    const parts = { card, box, choice: choice2, canvas, name, words: words2 };
    return parts;
  }
  function showBeside(parts) {
    const { box, choice: choice2, card } = parts;
    const others = state.films.filter((film) => film !== state.film && resultOf(film));
    if (!others.some((film) => film === state.beside)) setBeside(null);
    box.hidden = !others.length;
    choice2.replaceChildren(
      make("option", { value: "" }, tr("ui.beside.no_other")),
      ...others.map((film) => make("option", { value: state.films.indexOf(film), selected: film === state.beside }, film.name))
    );
    const before = card.hidden;
    card.hidden = !state.beside || !current();
    if (card.hidden !== before) return publish("cards-shown");
    drawBeside(parts);
  }
  function drawBeside({ card, canvas, name, words: words2 }) {
    const { film, beside, chosen } = state;
    const result = beside && resultOf(beside);
    if (card.hidden || !film || !result) return;
    fit(canvas, result.image);
    picture(canvas, result);
    setText(name, beside.name);
    const [here, there] = [film, beside].map((one) => probabilityOf(one, chosen));
    const points = Math.round(100 * (there - here));
    setText(words2, [
      tr("ui.beside.here_and_there", { finding: readable(state.label), there: percent(there), here: percent(here) }),
      points === 0 ? tr("ui.beside.same") : tr("ui.beside.difference", { points: signedWhole(points) }),
      tr("ui.beside.same_view")
    ].join(" "));
    canvas.setAttribute("aria-label", tr("ui.films.named", { name: beside.name }));
  }

  // cxr_demo/web/viewer/boxes.js
  function createBoxes(film) {
    const toggle = () => drawing(!state.drawing);
    let byKeys = false;
    document.addEventListener("keydown", () => {
      byKeys = true;
    }, { capture: true });
    document.addEventListener("pointerdown", () => {
      byKeys = false;
    }, { capture: true });
    const draw = button("\u270E", { class: "pencil", id: "cxr-draw-box", "aria-pressed": "false", "aria-label": tr("ui.boxes.draw"), title: tr("ui.boxes.draw_key"), hidden: true }, toggle);
    film.stage.append(draw);
    const clear = button(tr("ui.boxes.remove"), { class: "quiet" }, clearBoxes);
    const place = make("div", {});
    const panel2 = make(
      "div",
      { class: "block boxes" },
      make("h4", {}, tr("ui.boxes.title")),
      make("p", { class: "soft" }, tr("ui.boxes.hint")),
      make("div", { class: "group" }, clear),
      place
    );
    on("boxes", () => {
      draw.setAttribute("aria-pressed", String(state.drawing));
      film.stage.classList.toggle("drawing", state.drawing);
      if (!state.drawing) return;
      film.canvas.focus({ preventScroll: true });
      if (byKeys) point2(state.pointer ?? middle());
    });
    on("film", () => {
      draw.hidden = !current() || !takesFilms();
    });
    on("tables", () => {
      refill(place, measuresOrButton(), panel2);
      setDisabled(clear, !boxesOf(state.label).length);
    });
    drawByPointer(film.canvas);
    drawByKeys(film.stage);
    return { panel: panel2, toggle };
  }
  function drawByPointer(canvas) {
    canvas.addEventListener("pointerdown", (event) => {
      if (!state.drawing || !current()) return;
      canvas.setPointerCapture(event.pointerId);
      pullBox(placeOn(canvas, event), state.pulled);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!state.corner) return;
      pullBox(state.corner, edgesOf(state.corner, placeOn(canvas, event)));
      publish("draw");
    });
    canvas.addEventListener("pointerup", (event) => {
      if (state.corner) finishBox(edgesOf(state.corner, placeOn(canvas, event)));
    });
  }
  function drawByKeys(stage) {
    stage.addEventListener("keydown", (event) => {
      if (!state.drawing || !current()) return;
      const here = state.pointer ?? middle();
      if (["Enter", " "].includes(event.key)) {
        event.preventDefault();
        point2(here);
        if (state.corner) return finishBox(edgesOf(state.corner, here));
        pullBox(here, state.pulled);
      } else if (state.corner) pullBox(state.corner, edgesOf(state.corner, here));
      publish("draw");
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && state.drawing) drawing(false);
    });
  }
  function measuredBoxes() {
    const found = current()?.trust;
    const now = state.film && found?.asked === JSON.stringify(boxesTold(state.film));
    return now ? found?.boxes?.[state.label] ?? null : null;
  }
  function measuresOrButton() {
    const measured = Object.entries(measuredBoxes() ?? {});
    if (measured.length) {
      return [makeTable([tr("ui.boxes.peak_inside"), tr("ui.boxes.energy"), tr("ui.boxes.iou"), tr("ui.boxes.best_iou")], measured.map(([key, m]) => [
        titleOf(key),
        [share(m.peak), figure(m.energy), figure(m.iou), figure(m.ceiling)].map((text) => make("td", {}, text))
      ]))];
    }
    if (!boxesOf(state.label).length) return [];
    const trust = current()?.trust ?? null;
    if (!trust?.methods || trust.state === "running") return [make("p", { class: "soft" }, trustWords(trust))];
    return [button(tr("ui.boxes.measure"), { class: "quiet", id: "cxr-measure-boxes" }, () => askTrust(true))];
  }

  // cxr_demo/web/viewer/difference.js
  var OTHERS = "*";
  function createOther() {
    const list = make("select", { id: "cxr-other", "aria-label": tr("ui.difference.title"), onchange: () => {
      setOther(list.value || null);
      name();
      for (
        const topic of
        /** @type {const} */
        ["draw", "trust"]
      ) publish(topic);
      for (const method of shown()) publish("card", method);
    } });
    const name = () => {
      list.title = isDifference() ? findingShown() : tr("ui.difference.hint");
    };
    const offer2 = () => {
      const { labels } = current()?.seen ?? state.spec;
      const others = labels.filter((label) => label !== state.label);
      list.replaceChildren(
        make("option", { value: "" }, tr("ui.difference.opener")),
        ...hasOthers() ? [make("option", { value: OTHERS }, tr("ui.difference.than", { other: nameOf3(OTHERS) }))] : [],
        ...others.map((label) => make("option", { value: label }, tr("ui.difference.than", { other: readable(label) })))
      );
      list.value = isDifference() ? state.other ?? "" : "";
      name();
      list.disabled = state.chosen === NONE || !others.length;
    };
    for (
      const topic of
      /** @type {const} */
      ["findings", "mark", "spec"]
    ) on(topic, offer2);
    offer2();
    return list;
  }
  var hasOthers = () => Boolean(current()?.seen.exclusive) && (current()?.seen.labels.length ?? 0) > 2;
  function otherShown() {
    const { chosen, label, other } = state;
    if (other === null || chosen === NONE || other === label) return null;
    return (other === OTHERS ? hasOthers() : (current()?.seen ?? state.spec).labels.includes(other)) ? other : null;
  }
  var isDifference = () => otherShown() !== null;
  var nameOf3 = (other) => other === OTHERS ? tr("ui.difference.others") : readable(other);
  var slugOf = (other) => other === OTHERS ? "the-others" : other;
  function weightsOf(labels, probabilities, i, other) {
    if (other !== OTHERS) return labels.map((label) => Number(label === other));
    const theirs = probabilities.map((p, j) => j === i ? 0 : p);
    const sum = theirs.reduce((a, b) => a + b);
    return theirs.map((p) => sum ? p / sum : 0);
  }
  var findingShown = () => isDifference() ? tr("ui.difference.pair", { finding: readable(state.label), other: nameOf3(state.other ?? "") }) : readable(state.label);
  function mapsOf(method) {
    const maps = entryOf2(method)?.maps ?? null;
    const [result, other] = [current(), otherShown()];
    if (!maps || other === null || !result) return maps;
    return method.comparable ? lessOther(maps, state.chosen, weightsOf(maps.labels, result.seen.probabilities, state.chosen, other)) : null;
  }
  var kept3 = /* @__PURE__ */ new WeakMap();
  function lessOther(maps, i, weights) {
    const known = kept3.get(maps) ?? /* @__PURE__ */ new Map();
    kept3.set(maps, known);
    const key = `${i} ${weights}`;
    if (!known.has(key)) known.set(key, difference(maps, i, weights));
    return (
      /** @type {Maps} */
      known.get(key)
    );
  }
  function difference(maps, i, weights) {
    const less = lessWeighted(maps, i, weights);
    const planes = maps.planes.slice();
    planes.set(less.planes, i * maps.side ** 2);
    return { ...maps, planes, scale: maps.scale.with(i, less.scale[0]), limit: maps.limit.with(i, less.limit[0]), unsure: null };
  }

  // cxr_demo/web/viewer/quality.js
  function measuresOf(entry, i) {
    const [fidelity, error, missing, expected] = [entry?.fidelity, entry?.error_share, entry?.missing, entry?.expected_sum].map((all) => all?.[i] ?? null);
    return [
      fidelity === null ? null : { said: tr("ui.quality.fidelity", { value: fixed(fidelity, 2) }), meaning: tr("ui.quality.fidelity_means") },
      error === null ? null : { said: tr("ui.quality.error", { share: percent(error) }), meaning: tr("ui.quality.error_means") },
      missing === null || expected === null ? null : { said: tr("ui.quality.missing", { value: fixed(Math.abs(missing), 2), whole: fixed(Math.abs(expected), 2) }), meaning: tr("ui.quality.missing_means") }
    ].filter((one) => one !== null);
  }

  // cxr_demo/web/viewer/wrapping.js
  function wrapped(text, most, widthOf) {
    let last = "";
    const lines = [];
    for (const word of text.match(/\S+(?: [\u00b7%])*/g) ?? []) {
      const longer = last ? `${last} ${word}` : word;
      if (widthOf(longer) <= most) {
        last = longer;
      } else if (widthOf(word) <= most) {
        lines.push(last);
        last = word;
      } else {
        for (const letter of longer.slice(last.length)) {
          if (widthOf(last + letter) > most) {
            lines.push(last);
            last = "";
          }
          last += letter;
        }
      }
    }
    return [...lines, last].map((line) => line.trim()).filter(Boolean);
  }

  // cxr_demo/web/viewer/picturefile.js
  async function savePicture(method, maps, limit) {
    const result = current();
    const { label, chosen: i } = state;
    const other = otherShown();
    const stops2 = stopsOf(method);
    await wholeFilm();
    if (!result || result !== current()) return;
    const [{ width, height }] = levelsOf(result);
    const drawn2 = make("canvas", { width, height });
    picture(drawn2, result, { maps, limit, stops: stops2 }, { view: WHOLE, i });
    forgetPictures(result.film);
    const whole = captioned(drawn2, stops2, captionOf(method, result, maps, { i, label, other }, limit, stops2));
    const name = `${stem(result.seen.film.name)}-${method.key}-${other === null ? label : `${label}-rather-than-${slugOf(other)}`}.png`;
    whole.toBlob((blob) => {
      if (blob) download(blob, name);
    });
  }
  function captionOf(method, result, maps, { i, label, other }, limit, stops2) {
    const { film, seen } = result;
    const { levels: levels2, page, smooth, spec } = state;
    const entry = entryOf2(method);
    const about2 = { method: method.title, finding: readable(label), p: percent(seen.probabilities[i]) };
    const percents = levels2.map((share2) => Math.round(100 * share2)).join(", ");
    return {
      title: other === null ? tr("ui.picture.title", about2) : seen.labels.includes(other) ? tr("ui.picture.title_of_difference", { ...about2, other: nameOf3(other), q: percent(seen.probabilities[seen.labels.indexOf(other)]) }) : tr("ui.picture.title_of_odds", { ...about2, other: nameOf3(other) }),
      ticks: stops2[0][0] < 0 ? [tr("ui.picture.against", { value: signed(-limit) }), "0", tr("ui.picture.for", { value: signed(limit) })] : ["0", signed(limit / 2, limit), signed(limit)],
      notes: [
        tr("ui.picture.colours", { unit: method.unit.title }),
        anyUnsure(maps, i) ? tr("ui.picture.unsure") : "",
        boxesOf(label).length ? tr("ui.picture.boxes") : "",
        plantedEdges(film, label).length ? tr("ui.picture.planted") : "",
        levels2.length ? tr("ui.picture.contours", { levels: percents }) : "",
        maps.blurred || smooth ? tr("ui.picture.blurred") : "",
        entry?.settings && method.settings.length ? tr("ui.picture.settings", { settings: settingsSaid(method, entry.settings) }) : "",
        ...other === null ? measuresOf(entry, i).map(({ said }) => sentenceCase(said)) : [],
        entry && entry.state !== "done" ? unfinished(entry) : "",
        (other === null ? reliabilityOf(method, result, i)?.short : "") ?? "",
        ...seen.warnings.map((warning) => `\u26A0 ${say(warning)}`),
        tr("ui.picture.model", { name: spec.revision }),
        tr("ui.picture.file", { name: seen.film.name }),
        page.notice
      ].filter(Boolean)
    };
  }
  function unfinished(entry) {
    const [done, n] = entry.steps ?? [0, 0];
    return isBusy(entry) ? tr("ui.progress.map_of_copies", { done, n }) : words(entry);
  }
  var settingsSaid = ({ settings: declared }, settings) => declared.map(({ name, title, choices }) => `${title} ${choices.find(({ key }) => key === settings[name])?.title ?? settings[name]}`).join(", ");
  function captioned(drawn2, stops2, { title, ticks: ticks2, notes }) {
    const { width, height } = drawn2;
    const size = Math.max(11, Math.round(width / 56));
    const [margin, leading] = [Math.floor(size / 2), Math.round(1.4 * size)];
    const inner = width - 2 * margin;
    const [bold, plain] = [`bold ${size}px sans-serif`, `${size}px sans-serif`];
    const ruler = rulerOf(inner);
    const head = ruler.lines(title, bold);
    const values = ruler.lines(ticks2.join(" "), plain).length > 1 || ruler.widest(ticks2.join(" "), plain) > inner * 0.8 ? ruler.lines(ticks2.join(" \xB7 "), plain) : null;
    const foot = notes.flatMap((note2) => ruler.lines(note2, plain));
    const strip = 2 * margin + size + leading * (head.length + (values?.length ?? 1) + foot.length);
    const whole = make("canvas", { width, height: height + strip });
    const pen = penOf(whole);
    pen.drawImage(drawn2, 0, 0);
    pen.fillStyle = "white";
    pen.fillRect(0, height, width, strip);
    let y = height + margin;
    const write = (line, font, x = margin, align = "left") => {
      Object.assign(pen, { font, fillStyle: "rgb(32 32 32)", textAlign: align });
      pen.fillText(line, x, y + size);
    };
    for (const line of head) {
      write(line, bold);
      y += leading;
    }
    drawScale(pen, stops2, { left: margin, top: y, width: inner, height: size });
    y += size;
    if (values) for (const line of values) {
      write(line, plain);
      y += leading;
    }
    else {
      const aligned = (
        /** @type {const} */
        ["left", "center", "right"]
      );
      ticks2.forEach((tick, k) => write(tick, plain, margin + inner * k / 2, aligned[k]));
      y += leading;
    }
    for (const line of foot) {
      write(line, plain);
      y += leading;
    }
    return whole;
  }
  function rulerOf(inner) {
    const pen = penOf(make("canvas"));
    const lines = (text, font) => {
      pen.font = font;
      return wrapped(text, inner, (part) => pen.measureText(part).width);
    };
    const widest = (text, font) => Math.max(...lines(text, font).map((line) => pen.measureText(line).width));
    return { lines, widest };
  }
  function drawScale(pen, stops2, { left, top, width, height }) {
    const low = stops2[0][0];
    for (let x = 0; x < width; x++) {
      const t = low + (1 - low) * (x + 0.5) / width;
      const part = cover(t, state.side, state.opacity);
      pen.fillStyle = `rgb(${shade(stops2, t).map((level) => Math.round(level * part + 127.5 * (1 - part))).join(" ")})`;
      pen.fillRect(left + x, top, 1, height);
    }
  }

  // cxr_demo/web/viewer/cards.js
  var TYPING = 300;
  function createCards(readAloud) {
    const cards = state.page.methods.map((method) => createCard(method, readAloud));
    const of = (method) => cards.filter((card) => card.method === method);
    const visible = () => cards.filter((card) => state.on.has(card.method.key));
    on("draw", () => visible().forEach(drawCard));
    on("cards", () => visible().forEach(drawCard));
    on("point", () => visible().forEach(readOut));
    on("card", (method) => of(method).forEach(refresh));
    for (
      const topic of
      /** @type {const} */
      ["scramble", "trust"]
    ) on(topic, () => visible().forEach(showFacts));
    on("estimate", (answer) => cards.forEach((card) => showEstimate(card, answer)));
    on("cards-shown", () => {
      for (const card of cards) card.node.hidden = !state.on.has(card.method.key);
    });
    on("film", () => cards.forEach(takeSettings));
    return {
      nodes: new Map(cards.map((card) => [card.method, card.node])),
      readings: () => visible().map((card) => `${card.method.title} ${card.readout.textContent || tr("ui.cards.no_map")}`).join("; ")
    };
  }
  function createCard(method, readAloud) {
    const fields = new Map(method.settings.map((setting) => [setting.name, createField(method, setting)]));
    const card = { ...createParts2(method, fields), method, fields };
    followPointers(card.canvas, readAloud);
    return card;
  }
  function createParts2(method, fields) {
    const about2 = { method: method.title };
    const bar = make("progress", { max: 1, value: 0, "aria-label": tr("ui.cards.progress", about2) });
    const { canvas, node: place } = makeStage(tr("ui.cards.map_of_none", about2), bar);
    const [low, middle2, high, readout, fidelity, boxed, status, figures, estimate] = ["low", "middle", "high", "readout", "fidelity", "boxed", "status", "figures", "estimate"].map((name) => make("span", { class: name }));
    status.setAttribute("role", "status");
    const trust = make("span", { class: "trust", hidden: true });
    const meter = createMeter();
    const scale = make("div", { class: "ramp" });
    const end = button(tr("ui.common.stop"), { class: "stop", "aria-label": tr("ui.cards.stop_method", about2), hidden: true }, () => stop(method));
    const again = button(tr("ui.cards.run_again"), { class: "quiet again", "aria-label": tr("ui.cards.run_method", about2), disabled: true }, () => askRun(method));
    const save = button(tr("ui.cards.save"), { class: "quiet", "aria-label": tr("ui.cards.save_method", about2), disabled: true }, () => saveMap(method));
    const more = createPopover(
      `cxr-more-${method.key}`,
      "\u22EF",
      tr("ui.cards.more", about2),
      make("h4", {}, method.title),
      make("p", { class: "reading" }, method.reading),
      make("h4", {}, tr("ui.cards.settings")),
      ...method.settings.map((setting) => labelled(method, setting, fields)),
      make("p", { class: "line" }, estimate),
      make("div", { class: "group" }, again, save),
      make("p", { class: "line" }, figures),
      make("p", { class: "paper" }, method.unit.title, make("br"), method.paper)
    );
    more.pane.addEventListener("beforetoggle", (event) => {
      if (takesFilms() && /** @type {ToggleEvent} */
      event.newState === "open") askEstimate(method);
    });
    const node = make(
      "article",
      { class: "card", "data-method": method.key, "aria-label": method.title, hidden: !method.on },
      make("header", {}, make("h3", { title: method.unit.title }, method.title), end, more.opener, more.pane),
      place,
      make("div", { class: "scale", title: method.unit.title }, scale, make("div", { class: "ticks" }, low, middle2, high)),
      make("p", { class: "said" }, status, " ", trust),
      make("div", { class: "told" }, make("div", { class: "line" }, meter.node), make("div", { class: "line" }, readout, boxed, fidelity))
    );
    return { node, canvas, stage: place, low, middle: middle2, high, readout, fidelity, boxed, status, figures, estimate, trust, meter, scale, bar, end, again, save, opener: more.opener };
  }
  var idOf = (method, setting) => `cxr-${method.key}-${setting.name}`;
  function labelled(method, setting, fields) {
    return make(
      "div",
      { class: "setting" },
      make("label", { for: idOf(method, setting), title: setting.help }, setting.title),
      fields.get(setting.name),
      make("small", {}, setting.help)
    );
  }
  function createField(method, s) {
    const id = idOf(method, s);
    const field = s.choices.length ? make("select", { id }, ...s.choices.map(({ key, title }) => make("option", { value: key, selected: key === s.default }, title))) : make("input", { id, type: "number", min: s.low, max: s.high, step: s.step ?? "any", value: s.default });
    const take = () => setSetting(method, s.name, s.choices.length ? field.value : Number(field.value));
    let typing;
    const changed = () => {
      take();
      clearTimeout(typing);
      if (takesFilms() && field.value !== "") typing = setTimeout(() => field.closest(":popover-open") && askEstimate(method), TYPING);
    };
    field.addEventListener("input", changed);
    field.addEventListener("change", () => {
      if (field.value === "") field.value = String(s.default);
      changed();
    });
    return field;
  }
  function takeSettings(card) {
    const used = entryOf2(card.method)?.settings;
    if (used) setSettings(card.method, used);
    for (const [name, value] of Object.entries(used ?? {})) {
      const field = card.fields.get(name);
      if (field) field.value = String(value);
    }
    refresh(card);
  }
  function limitOf(method, maps) {
    const own2 = maps.limit[state.chosen];
    if (state.scale === "own" || !method.comparable) return own2;
    return Math.max(own2, ...comparable().map(limitIn));
  }
  var comparable = () => shown().filter((method) => method.comparable);
  var limitIn = (method) => mapsOf(method)?.limit[state.chosen] ?? 0;
  function drawCard(card) {
    const { method } = card;
    const result = current();
    showStage(card);
    if (!result) return;
    fit(card.canvas, result.image);
    const entry = entryOf2(method);
    const maps = mapsOf(method);
    const stops2 = stopsOf(method);
    const map = maps ? { maps, limit: limitOf(method, maps), stops: stops2 } : null;
    picture(card.canvas, result, map);
    const origin = map && !isDifference() && reliabilityOf(method, result, state.chosen) ? result.trust?.measured.get(state.chosen)?.origin : null;
    if (origin?.method === method.key) outlineOrigin(card.canvas, result, origin);
    card.scale.style.backgroundImage = ramp(stops2, state.side, state.opacity);
    ticks(card, stops2[0][0], map?.limit);
    describe(card, entry, map);
    showFacts(card);
    if (state.pointer) readOut(card);
  }
  function showStage({ stage, method }) {
    const waits = waitsForRequest() && !entryOf2(method);
    stage.classList.toggle("blank", waits || !current());
    stage.dataset.blank = waits ? tr("ui.cards.on_request") : tr("ui.cards.appears_here");
  }
  function ticks(card, low, limit) {
    const number = (t) => limit === void 0 ? "" : signed(t * limit, limit);
    setText(card.low, number(low));
    setText(card.middle, low < 0 ? "0" : number(0.5));
    setText(card.high, number(1));
  }
  function describe(card, entry, map) {
    const { method } = card;
    const about2 = { method: method.title, finding: findingShown() };
    let said = tr("ui.cards.no_map_of_finding", about2);
    if (map) {
      const unit = map.maps.scale[state.chosen];
      const [least, most] = extremes(planeShown(map.maps, state.chosen)).map((q) => q * unit);
      const empty = Math.max(most, -least) < state.page.faintest * map.limit || map.limit === 0;
      card.stage.classList.toggle("empty", empty);
      said = empty ? tr("ui.cards.nothing_to_see", about2) : tr("ui.cards.range", { ...about2, least: signed(least), most: signed(most), unit: method.unit.title });
    }
    card.canvas.setAttribute("aria-label", said);
    const measures = isDifference() ? [] : measuresOf(entry, state.chosen);
    setText(card.fidelity, [...measures.map((one) => one.said), map ? faintness(method, map.maps) : ""].filter(Boolean).join(" \xB7 "));
    card.fidelity.title = [card.fidelity.textContent, ...measures.map((one) => one.meaning)].join("\n");
  }
  function faintness(method, maps) {
    if (!method.comparable || entryOf2(method)?.state !== "done") return "";
    const [strongest] = comparable().filter((one) => entryOf2(one)?.state === "done").sort((a, b) => limitIn(b) - limitIn(a));
    const ratio = limitIn(strongest) / maps.limit[state.chosen];
    return ratio >= 2 ? tr("ui.cards.fainter", { times: ratio.toFixed(0), method: strongest.title }) : "";
  }
  function readOut(card) {
    const maps = mapsOf(card.method);
    const crop = current()?.seen.film.crop;
    if (!maps || !crop || !state.pointer) return setText(card.readout, "");
    const place = placeIn(state.pointer, crop);
    setText(card.readout, !place ? tr("ui.cards.not_seen") : tr("ui.cards.here", { value: signed(valueIn(maps, state.chosen, place), maps.limit[state.chosen]) }));
  }
  function showFacts({ method, trust, meter, boxed }) {
    const result = current();
    delete trust.dataset.verdict;
    trust.classList.remove("stays");
    trust.title = "";
    if (isDifference()) {
      meter.show(method, null);
      setText(boxed, "");
      trust.hidden = !entryOf2(method)?.maps;
      trust.title = method.comparable ? tr("ui.difference.hint") : "";
      return setText(trust, method.comparable ? tr("ui.difference.untested", { pair: findingShown() }) : tr("ui.difference.only_ranks"));
    }
    const verdict = result && reliabilityOf(method, result, state.chosen);
    const isMeasuring = result?.trust?.state === "running";
    const others = shown().some((one) => isBusy(entryOf2(one)));
    const waits = !verdict && (isMeasuring || others) && entryOf2(method)?.state === "done" && !isExample();
    trust.hidden = !verdict && !waits;
    meter.show(method, verdict?.key === "untestable" ? null : verdict);
    const placed2 = verdict ? measuredBoxes()?.[method.key] : null;
    setText(boxed, placed2 ? tr("ui.cards.in_box", { energy: figure(placed2.energy), peak: share(placed2.peak) }) : "");
    if (waits) setText(trust, isMeasuring ? tr("ui.cards.testing") : tr("ui.cards.tested_later"));
    if (!verdict) return;
    trust.dataset.verdict = verdict.key;
    trust.classList.toggle("stays", verdict.stays);
    setText(trust, verdict.short);
    trust.title = verdict.full;
  }
  function saveMap(method) {
    const maps = mapsOf(method);
    if (maps) savePicture(method, maps, limitOf(method, maps));
  }
  function refresh(card) {
    const entry = entryOf2(card.method);
    const busy = isBusy(entry);
    const [done, total] = entry?.steps ?? [0, 0];
    card.node.dataset.state = entry?.state ?? "idle";
    showStage(card);
    if (card.end === document.activeElement && entry?.state !== "running") card.opener.focus();
    card.end.hidden = entry?.state !== "running";
    card.bar.hidden = !busy;
    setDisabled(card.again, busy || !current());
    card.save.disabled = !mapsOf(card.method);
    if (total) card.bar.value = done / total;
    else card.bar.removeAttribute("value");
    card.status.title = entry ? words(entry) : "";
    setText(card.status, card.status.title);
    card.status.classList.toggle("early", Boolean(entry?.error || entry?.stopped));
    setText(card.figures, entry ? figuresOf(entry) : "");
    if (!entry?.maps) {
      setText(card.readout, "");
      setText(card.fidelity, "");
      card.fidelity.title = "";
    }
    publish("export");
  }
  function figuresOf(entry) {
    const seconds = isBusy(entry) ? (performance.now() - entry.began) / 1e3 : entry.seconds;
    if (seconds === void 0) return "";
    return [`${fixed(seconds, 1)} s`, entry.forwards ? tr("ui.cards.forward_passes", { n: entry.forwards }) : ""].filter(Boolean).join(" \xB7 ");
  }
  function showEstimate(card, { run, method, copies, error, field: wrong }) {
    if (card.method.key !== method || state.estimating.get(card.method.key) !== run) return;
    setText(card.estimate, error ? say(error) : estimateOf(card.method, copies ?? 0));
    card.estimate.classList.toggle("early", Boolean(error));
    for (const [name, field] of card.fields) field.setAttribute("aria-invalid", String(name === wrong));
  }
  function estimateOf(method, copies) {
    if (!copies) return tr("ui.cards.no_copies");
    const each = pace(method);
    return each ? tr("ui.cards.copies_and_time", { n: copies, time: lasting(copies * each) }) : tr("ui.cards.copies", { n: copies });
  }
  function createToggle(method) {
    const box = make("input", { type: "checkbox", checked: state.on.has(method.key), "data-method": method.key, onchange: () => {
      switchMethod(method, box.checked);
      if (!box.checked) stop(method);
      else if (!entryOf2(method)) askRun(method);
      publish("cards-shown");
      publish("grid");
    } });
    return make("label", {}, box, method.title);
  }

  // cxr_demo/web/viewer/controls.js
  function createControls({ view, saving, comparing, check }) {
    const number = make("output", { for: "cxr-opacity" }, percent(state.opacity));
    const opacity = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: state.opacity, id: "cxr-opacity", oninput: () => {
      setText(number, percent(Number(opacity.value)));
      setLook({ opacity: Number(opacity.value) });
    } });
    const bar = make(
      "section",
      { class: "controls", "aria-label": tr("ui.controls.title") },
      group(make("label", { for: "cxr-opacity" }, tr("ui.controls.opacity")), opacity, number),
      group(tr("ui.controls.scale"), radio("own", tr("ui.controls.each_own")), radio("same", tr("ui.controls.same_for_all"))),
      ...methodsMenu(),
      ...menu("cxr-view", tr("ui.looks.title"), view),
      ...comparing,
      button(tr("ui.controls.check"), { class: "quiet check", id: "cxr-check" }, check),
      ...menu("cxr-saving", tr("ui.controls.take_away"), saving)
    );
    return { bar, opacity };
  }
  function radio(value, text) {
    return make("label", {}, make("input", {
      type: "radio",
      name: "cxr-scale",
      value,
      checked: state.scale === value,
      onchange: () => setLook({ scale: value })
    }), text);
  }
  function menu(id, words2, content) {
    const { opener, pane } = createPopover(id, `${words2} \u25BE`, words2, ...content);
    return [opener, pane];
  }
  function methodsMenu() {
    const words2 = make("span", {});
    const { opener, pane } = createPopover(
      "cxr-methods",
      words2,
      tr("ui.controls.methods"),
      make("div", { class: "entries" }, ...state.page.methods.map(createToggle))
    );
    on("cards-shown", () => setText(words2, `${tr("ui.controls.methods")} ${shown().length} \u25BE`));
    return [opener, pane];
  }

  // cxr_demo/web/viewer/drawer.js
  var ROOM = 240;
  function createDrawer(drawers) {
    let open = null;
    let met = false;
    const tabs = drawers.map((drawer) => tabOf(drawer, () => show2(open === drawer.key ? null : drawer.key)));
    const bar = make("div", {
      class: "tabs",
      role: "tablist",
      "aria-label": tr("ui.drawer.title"),
      onkeydown: (event) => step(event, tabs.filter((tab) => !tab.hidden))
    }, ...tabs);
    const node = make("section", { class: "drawer", "aria-label": tr("ui.drawer.title") }, bar, ...drawers.map(({ panel: panel2 }) => panel2));
    function show2(key) {
      open = key;
      const offered2 = drawers.map((drawer) => drawer.offered());
      if (!drawers.some((drawer, i) => drawer.key === open && offered2[i])) open = null;
      const focused = Math.max(drawers.findIndex((drawer) => drawer.key === open), offered2.indexOf(true));
      drawers.forEach(({ key: own2, panel: panel2 }, i) => {
        panel2.hidden = own2 !== open;
        tabs[i].hidden = !offered2[i];
        tabs[i].setAttribute("aria-selected", String(own2 === open));
        tabs[i].tabIndex = i === focused ? 0 : -1;
      });
      node.hidden = !offered2.some(Boolean);
      node.classList.toggle("open", open !== null);
      publish("drawer");
    }
    for (
      const topic of
      /** @type {const} */
      ["film", "films", "quiz"]
    ) {
      on(topic, () => {
        const first = !met && drawers[0].offered() && !isExample();
        met ||= first;
        if (first) node.hidden = false;
        const roomy = bar.checkVisibility() && window.innerHeight - bar.getBoundingClientRect().top > ROOM;
        show2(first && roomy ? drawers[0].key : open);
      });
    }
    on("mark", () => {
      if (drawers.some((drawer, i) => drawer.offered() === tabs[i].hidden)) show2(open);
    });
    show2(null);
    return { node, open: show2, toggle: () => show2(open === null ? drawers[0].key : null) };
  }
  function tabOf({ key, title, panel: panel2 }, onclick) {
    panel2.id = `cxr-panel-${key}`;
    panel2.tabIndex = 0;
    panel2.setAttribute("role", "tabpanel");
    panel2.setAttribute("aria-labelledby", `cxr-tab-${key}`);
    return make("button", { type: "button", role: "tab", id: `cxr-tab-${key}`, "aria-controls": panel2.id, onclick }, title);
  }
  function step(event, tabs) {
    const at = tabs.indexOf(
      /** @type {HTMLElement} */
      event.target
    );
    const to = stepped(event, at, tabs.length, ["ArrowLeft", "ArrowRight"]);
    if (to !== null) tabs[to].focus();
  }

  // cxr_demo/web/viewer/example.js
  function createExample({ stage }) {
    stage.append(make("span", { class: "badge" }, tr("ui.films.example")));
    on("film", () => stage.classList.toggle("example", isExample()));
  }
  function openExample() {
    const { example, phantoms } = state.page;
    const item = phantoms.find(({ key }) => key === example?.key);
    const recorded = Object.values(example?.answers ?? {}).map((answer) => (
      /** @type {Answer} */
      answer.method
    ));
    if (item && shown().every(({ key }) => recorded.includes(key))) choose(newFilm(item.title, { kind: "phantom", key: item.key, stored: true }));
  }

  // cxr_demo/web/viewer/examples.js
  function createAdding(openPicker, openFolder) {
    if (!takesFilms()) return [];
    const choose2 = button(tr("ui.films.choose"), { class: "quiet", id: "cxr-choose" }, () => {
      pane.hidePopover();
      openPicker();
    });
    const folder = button(tr("ui.films.choose_folder"), { class: "quiet", id: "cxr-choose-folder" }, () => {
      pane.hidePopover();
      openFolder();
    });
    const { opener, pane } = createPopover("cxr-add", `+ ${tr("ui.films.add")}`, tr("ui.films.add"), make("div", { class: "chips" }, choose2, folder), ...exampleLists());
    pane.classList.add("examples");
    pane.addEventListener("click", (event) => {
      if (
        /** @type {Element} */
        event.target.closest(".picture, .chip")
      ) pane.hidePopover();
    });
    return [opener, pane];
  }
  function createExamples() {
    const panel2 = make("section", { class: "examples first", "aria-label": tr("ui.films.examples"), hidden: !takesFilms() }, ...phantomList());
    on("film", () => {
      panel2.hidden = !takesFilms() || state.films.length > 0;
    });
    return panel2;
  }
  function exampleLists() {
    const { examples, lessons } = state.page;
    return [
      ...phantomList(),
      ...listOf(tr("ui.films.public"), examples.map((item) => chip("example", item, () => addBuiltIn("example", item)))),
      ...listOf(tr("ui.films.failures"), lessons.map((item) => chip("lesson", item, () => addLesson(item))))
    ];
  }
  var phantomList = () => listOf(tr("ui.films.phantoms"), state.page.phantoms.map(pictureOf2));
  var listOf = (words2, items) => items.length ? [make("h3", {}, words2), make("div", { class: "chips" }, ...items)] : [];
  var pictureOf2 = (item) => make(
    "button",
    { type: "button", class: "picture", "data-phantom": item.key, onclick: () => addBuiltIn("phantom", item) },
    make("img", { src: item.picture, alt: "", width: 64, height: 64 }),
    item.title
  );
  var chip = (kind, item, open) => button(item.title, { class: "chip", [`data-${kind}`]: item.key, title: item.credit }, open);

  // cxr_demo/web/viewer/film.js
  function createFilmPane() {
    const parts = createParts3();
    if (takesFilms()) acceptFiles(parts.stage);
    on("film", () => {
      showFilm(parts);
      publish("films");
      publish("draw");
    });
    on("mark", () => markPlanted(parts));
    on("films", () => showStrip(parts.strip));
    on("draw", () => drawFilm(parts));
    on("note", (name) => {
      if (name === "box") setText(parts.boxNote, state.notes.box);
    });
    return parts;
  }
  function createParts3() {
    const picker = createPicker(tr("ui.films.choose"), {}, (files) => addDropped({ files, others: 0 }));
    const folderPicker = createPicker(tr("ui.films.choose_folder"), { webkitdirectory: true }, async (files) => addDropped(await filmsAmong(files, state.page)));
    const openPicker = () => picker.click();
    const openFolder = () => folderPicker.click();
    const invite = make(
      "button",
      { type: "button", class: "invite", onclick: openPicker, hidden: !takesFilms() },
      make("strong", {}, tr("ui.films.drop")),
      make("span", {}, tr("ui.films.or_paste"))
    );
    const veilWords = make("span", { class: "words" });
    const veil = make("div", { class: "veil", hidden: true }, make("span", { class: "spinner" }), veilWords);
    const { canvas, node } = makeStage(tr("ui.films.none_yet"), invite, veil);
    node.classList.add("blank");
    const name = make("div", { class: "filmname" });
    const remove = button("\u2715", { class: "quiet", id: "cxr-remove", hidden: true, "aria-label": tr("ui.films.remove_hint"), title: tr("ui.films.remove_hint") }, removeFilm);
    const bar = make("div", { class: "filmbar" }, name, remove, picker, folderPicker);
    const boxNote = make("p", { class: "soft", role: "status" });
    const notes = make("div", { class: "notes", role: "alert" });
    const strip = make("div", { class: "strip", role: "group", "aria-label": tr("ui.films.list"), hidden: true });
    const pane = make("section", { class: "film", "aria-label": tr("ui.common.film") }, node, bar, boxNote, notes);
    return { pane, canvas, stage: node, invite, veil, veilWords, name, remove, boxNote, notes, strip, openPicker, openFolder };
  }
  function createPicker(words2, more, add) {
    const field = make("input", {
      type: "file",
      multiple: true,
      class: more.webkitdirectory ? "picker folder" : "picker",
      tabindex: -1,
      "aria-label": words2,
      ...more,
      onchange: () => {
        add([...field.files ?? []]);
        field.value = "";
      }
    });
    return field;
  }
  function acceptFiles(place) {
    const carries = (event) => [...event.dataTransfer?.types ?? []].includes("Files");
    const dropping = (is) => place.classList.toggle("dropping", is);
    const receive = async (carried) => {
      if (carried) addDropped(await filesDropped(carried, state.page));
    };
    document.addEventListener("dragover", (event) => {
      if (carries(event)) {
        event.preventDefault();
        dropping(true);
      }
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) dropping(false);
    });
    document.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      dropping(false);
      receive(event.dataTransfer);
    });
    document.addEventListener("paste", (event) => {
      if (!event.clipboardData?.files.length) return;
      event.preventDefault();
      receive(event.clipboardData);
    });
  }
  function showFilm(parts) {
    const { canvas, veil, veilWords, invite, remove, name, notes } = parts;
    const { film } = state;
    const result = current();
    veil.hidden = !film?.busy;
    setText(veilWords, !film?.busy ? "" : film.source ? tr("ui.films.reading") : tr("ui.films.sending"));
    invite.hidden = Boolean(film?.busy || result) && !isExample();
    const left = remove === document.activeElement;
    remove.hidden = !film || !takesFilms() || isExample();
    if (left && remove.hidden) invite.focus();
    const size = result?.seen.film;
    name.replaceChildren(...!film ? [] : [
      make("b", { title: film.name }, film.name),
      make("span", {}, size ? tr("ui.films.size", { size: `${size.width} \xD7 ${size.height}` }) : "")
    ]);
    const said = film?.error ? [film.error] : (result?.seen.warnings ?? []).map(say);
    refill(notes, [
      ...state.failures.map((text) => make("p", { class: "failure" }, text)),
      state.others ? make("p", { class: "others" }, tr("ui.films.passed_over", { n: state.others })) : null,
      // above the sentences, which may have to be scrolled
      ...corrections(film, result?.seen),
      ...unexplained(film),
      ...said.map((text) => make("p", {}, text)),
      film && plantedIn(film)?.edges ? make("p", { class: "planted" }, tr("ui.films.planted_place")) : null
    ], canvas);
    markPlanted(parts);
    notes.classList.toggle("bad", Boolean(film?.error));
  }
  function markPlanted({ notes }) {
    const { film } = state;
    const drawn2 = film && plantedIn(film) && current() && (state.quiz.on ? truthEdges(film) : plantedEdges(film, state.label)).length;
    notes.querySelector(".planted")?.toggleAttribute("hidden", !drawn2);
  }
  function corrections(film, seen) {
    if (!film || film.error) return [];
    const offered2 = [];
    if (seen?.correction) offered2.push([sentenceCase(say(seen.correction.title)), seen.correction.key, seen.correction.part]);
    if (film.source?.correction) offered2.push([tr("ui.films.as_it_was_sent"), null, null]);
    return offered2.map(([words2, correction, part]) => button(words2, { class: "chip", "data-correction": correction ?? "none" }, () => correct(film, correction, part)));
  }
  var unexplained = (film) => film && waitsForRequest() ? [button(tr("ui.films.explain_anyway"), { class: "chip", id: "cxr-explain-anyway" }, () => explainAnyway(film))] : [];
  function showStrip(strip) {
    strip.hidden = state.films.length < 2;
    const names = distinct(state.films.map((film) => film.name));
    refill(strip, state.films.map((film, k) => make(
      "button",
      {
        type: "button",
        class: `thumb${film.error ? " bad" : ""}`,
        title: film.name,
        "aria-label": film.name,
        "aria-pressed": String(film === state.film),
        onclick: () => choose(film)
      },
      film.thumb ?? make("span", { class: "empty" }, film.error ? "!" : "\u2026"),
      make("span", { class: "name" }, names[k])
    )));
    strip.querySelector('[aria-pressed="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  function drawFilm({ canvas, stage }) {
    const result = current();
    stage.classList.toggle("blank", !result);
    if (!result) return;
    fit(canvas, result.image);
    picture(canvas, result);
    canvas.setAttribute("aria-label", tr("ui.films.named", { name: result.seen.film.name }));
    stage.dataset.pixels = pixelState(result);
  }

  // cxr_demo/web/viewer/pin.js
  function createPin() {
    if (!takesFilms()) return null;
    const isPinned = () => state.pinned === state.label;
    const pin = button(tr("ui.findings.pin"), { class: "quiet", id: "cxr-pin", title: tr("ui.findings.pin_hint") }, () => {
      pinFinding(isPinned() ? null : state.label);
      keepFilms();
    });
    const show2 = () => {
      setDisabled(pin, state.chosen === NONE);
      pin.setAttribute("aria-pressed", String(isPinned()));
    };
    for (
      const topic of
      /** @type {const} */
      ["pin", "mark", "findings"]
    ) on(topic, show2);
    show2();
    return pin;
  }

  // cxr_demo/web/viewer/stages.js
  var SWIPE = 60;
  var narrow = matchMedia("(max-width: 620px)");
  function createStages(root, film, cards) {
    let chosen = null;
    let front = "film";
    let hid = false;
    let tabs = /* @__PURE__ */ new Map();
    const bar = make("div", { class: "stages", role: "group", "aria-label": tr("ui.page.pictures") });
    const pictures = () => [
      { key: "film", title: tr("ui.common.film"), node: film },
      ...shown().map((method) => ({ key: method.key, title: method.title, node: (
        /** @type {HTMLElement} */
        cards.get(method)
      ) }))
    ];
    const foremost2 = (offered2) => {
      if (asks() || !current()) return "film";
      return offered2.find(({ key }) => key === chosen)?.key ?? offered2[1]?.key ?? "film";
    };
    const show2 = () => {
      const offered2 = pictures();
      const before = front;
      if (hid && !guessing()) chosen = "film";
      hid = guessing();
      front = foremost2(offered2);
      for (const node of [film, ...cards.values()]) node.classList.toggle("front", offered2.some((one) => one.key === front && one.node === node));
      root.classList.toggle("film-front", front === "film");
      if ([...tabs.keys()].join() !== offered2.map(({ key }) => key).join()) {
        tabs = new Map(offered2.map(({ key, title }) => [key, button(title, {}, () => turnTo(key))]));
        bar.replaceChildren(...tabs.values());
      }
      for (const [key, tab] of tabs) tab.setAttribute("aria-pressed", String(key === front));
      if (front !== before && narrow.matches) publish("draw");
    };
    const turnTo = (key) => {
      chosen = key;
      show2();
    };
    swiped(root, (by) => {
      const keys = [...tabs.keys()];
      const next = keys[keys.indexOf(front) + by];
      if (next) turnTo(next);
    });
    on("film", () => {
      if (state.failures.length) chosen = "film";
      show2();
    });
    on("cards-shown", show2);
    on("quiz", show2);
    return bar;
  }
  var asks = () => Boolean(state.film?.error) || waitsForRequest();
  function swiped(root, heard) {
    let began = null;
    root.addEventListener("touchstart", (event) => {
      const picture2 = (
        /** @type {Element} */
        event.target.closest(".film .stage, .card .stage")
      );
      began = picture2 && event.touches.length === 1 && state.view.zoom === 1 && !state.drawing ? event.touches[0] : null;
    }, { passive: true });
    root.addEventListener("touchend", (event) => {
      if (!began || !narrow.matches) return;
      const { clientX, clientY } = event.changedTouches[0];
      const [across, along] = [clientX - began.clientX, clientY - began.clientY];
      if (Math.abs(across) > SWIPE && Math.abs(across) > 2 * Math.abs(along)) heard(across < 0 ? 1 : -1);
    });
  }

  // cxr_demo/web/viewer/findings.js
  var FIRST = 3;
  function createFindings() {
    const list = make("div", { class: "list", role: "listbox", tabindex: 0, "aria-label": tr("ui.findings.list"), onkeydown: stepInList });
    const axis = make("span", { class: "soft", title: tr("ui.findings.axis_hint") }, tr("ui.findings.axis"));
    const pane = make(
      "section",
      { class: "findings", "aria-label": tr("ui.findings.title") },
      make("div", { class: "heads" }, make("h2", {}, tr("ui.findings.title")), axis),
      make("p", { class: "doubt" }, tr("ui.findings.doubted")),
      list
    );
    const chips = make("div", { class: "chips" });
    const leading = make("div", { class: "leading", role: "group", "aria-label": tr("ui.findings.leading") }, chips);
    const pin = createPin();
    const place = () => {
      if (pin) narrow.matches ? leading.append(pin) : axis.before(pin);
    };
    place();
    narrow.addEventListener("change", place);
    on("findings", () => {
      showFindings(list, pane);
      refill(chips, chipsOf(current()?.seen ?? null), list);
    });
    on("mark", () => {
      mark(list);
      for (
        const chip2 of
        /** @type {Iterable<HTMLElement>} */
        chips.children
      ) chip2.setAttribute("aria-pressed", isChosen(Number(chip2.dataset.chip)));
    });
    on("tables", () => markBoxes(list));
    return { pane, leading };
  }
  var isChosen = (i) => String(i === state.chosen);
  var chipsOf = (seen) => (seen?.ranked ?? []).slice(0, FIRST).map((i) => button(`${readable(seen?.labels[i] ?? "")} ${percent(seen?.probabilities[i] ?? NaN)}`, { class: "chip", "data-chip": i, "aria-pressed": isChosen(i) }, () => pick(i)));
  function showFindings(list, pane) {
    const seen = current()?.seen ?? null;
    const { labels } = seen ?? state.spec;
    const order = seen?.ranked ?? labels.map((_, i) => i);
    list.replaceChildren(...order.map((i) => row(i, seen)));
    pane.classList.toggle("doubted", Boolean(seen?.doubted));
    mark(list);
    markBoxes(list);
  }
  var rowsOf = (list) => (
    /** @type {HTMLElement[]} */
    [...list.children]
  );
  function mark(list) {
    for (const node of rowsOf(list)) node.setAttribute("aria-selected", String(Number(node.dataset.finding) === state.chosen));
    if (state.chosen !== NONE) list.setAttribute("aria-activedescendant", `cxr-row-${state.chosen}`);
  }
  function markBoxes(list) {
    const { labels } = current()?.seen ?? state.spec;
    for (const node of rowsOf(list)) {
      const boxed = boxesOf(labels[Number(node.dataset.finding)]).length > 0;
      node.classList.toggle("boxed", boxed);
      if (boxed) node.setAttribute("aria-description", tr("ui.findings.has_box"));
      else node.removeAttribute("aria-description");
    }
  }
  function stepInList(event) {
    const ranked = current()?.seen.ranked;
    if (!ranked) return;
    const to = stepped(event, ranked.indexOf(state.chosen), ranked.length, ["ArrowUp", "ArrowDown"]);
    if (to !== null) pick(ranked[to]);
  }
  function row(i, seen) {
    const { labels } = seen ?? state.spec;
    const threshold = seen?.thresholds[i] ?? null;
    const p = seen?.probabilities[i] ?? null;
    const above = seen !== null && isAbove(seen, i);
    const name = readable(labels[i]);
    const words2 = p === null ? name : rowWords(name, p, threshold);
    return make(
      "div",
      {
        class: `row${above ? " above" : ""}`,
        role: "option",
        id: `cxr-row-${i}`,
        "data-finding": i,
        "aria-selected": isChosen(i),
        "aria-label": words2,
        title: [words2, aurocWords(labels[i])].filter(Boolean).join("\n"),
        onclick: () => pick(i)
      },
      make("span", { class: "label" }, name),
      make(
        "span",
        { class: "track" },
        p === null ? null : make("span", { class: "fill", style: `width:${100 * alongAxis(p)}%` }),
        threshold === null ? null : make("span", { class: "mark", style: `left:${100 * alongAxis(threshold)}%` })
      ),
      make("span", { class: "number" }, p === null ? "\u2013" : `${above ? "\u25B2 " : ""}${percent(p)}`)
    );
  }
  var rowWords = (finding, p, threshold) => threshold === null ? tr("ui.findings.row_unknown", { finding, p: percent(p) }) : tr("ui.findings.row", { finding, p: percent(p), threshold: percent(threshold) });
  function aurocWords(label) {
    const auroc = state.spec.auroc[label];
    return auroc ? tr(
      "ui.findings.auroc_measured",
      { ...rounded(auroc), subset: say(auroc.subset), positives: auroc.positives, n: auroc.films }
    ) : "";
  }

  // cxr_demo/web/viewer/grid.js
  function createGrid() {
    const parts = createParts4();
    on("grid", () => showGrid(parts));
    on("film", () => showGrid(parts));
    on("drawer", () => showGrid(parts));
    on("draw", () => drawGrid(parts));
    on("model", () => offerModels(parts.models));
    on("grid-status", () => setText(parts.status, statusOf2()));
    return parts.panel;
  }
  function createParts4() {
    const kinds = { findings: tr("ui.grid.by_findings"), settings: tr("ui.grid.by_settings"), models: tr("ui.grid.by_models"), films: tr("ui.grid.by_films") };
    const offered2 = takesFilms() ? Object.entries(kinds) : [["findings", kinds.findings]];
    const kind = make("select", { id: "cxr-grid-kind", onchange: () => {
      changeGrid({ kind: (
        /** @type {GridKind} */
        kind.value
      ) });
      showGrid(parts);
    } }, ...offered2.map(([value, name]) => make("option", { value }, name)));
    const chips = (name) => make("div", { class: "chips", role: "group", "aria-label": name });
    const [findings, models, films] = [tr("ui.grid.findings"), tr("ui.grid.models"), tr("ui.grid.films")].map(chips);
    const method = make("select", { id: "cxr-grid-method", "aria-label": tr("ui.grid.method"), onchange: () => {
      changeGrid({ setting: null });
      showGrid(parts);
    } });
    const setting = make("select", { id: "cxr-grid-setting", "aria-label": tr("ui.grid.setting"), onchange: () => {
      changeGrid({ setting: setting.value });
      suggest(parts);
    } });
    const values = make("input", { type: "text", id: "cxr-grid-values", size: 16, "aria-label": tr("ui.grid.values") });
    const run = button(tr("ui.common.compare"), { class: "quiet", id: "cxr-grid-run" }, () => {
      const wrong = runGrid(methodOf(method.value), values.value, chosenIn(models));
      if (wrong) setText(status, wrong);
    });
    const stop2 = button(tr("ui.common.stop"), { class: "stop", disabled: true, "aria-label": tr("ui.grid.stop") }, () => {
      stopGrid();
      showGrid(parts);
    });
    const status = make("span", { class: "soft", role: "status" });
    const place = make("div", { class: "scroll" });
    const panel2 = make(
      "div",
      { class: "table grid", hidden: true },
      make("div", { class: "group" }, make("label", { for: "cxr-grid-kind" }, tr("ui.common.compare")), kind, method, setting, values, run, stop2, status),
      findings,
      models,
      films,
      place,
      make("p", { class: "soft" }, tr("ui.grid.hint"))
    );
    offerModels(models);
    const draws2 = [];
    const parts = { panel: panel2, kind, findings, models, films, method, setting, values, run, stop: stop2, status, place, draws: draws2 };
    return parts;
  }
  var chosenIn = (models) => [...models.querySelectorAll("input")].filter((box) => box.checked).map((box) => box.value);
  function offerModels(models) {
    const known = [...models.querySelectorAll("input")].map((box) => box.value);
    models.append(...state.models.filter((model) => !known.includes(model.name)).map((model) => make("label", {}, make("input", { type: "checkbox", value: model.name }), model.title)));
  }
  function suggest({ method, values }) {
    const of = methodOf(method.value);
    const s = of && settingOf(of);
    const usual = Number(s?.default);
    values.value = !s ? "" : s.choices.length ? s.choices.map(({ key }) => key).join(", ") : [usual, Math.min(s.high, Math.max(s.low, usual * 2.5))].join(", ");
  }
  function showGrid(parts) {
    const result = current();
    if (!result || parts.panel.hidden) return;
    if (state.grid.film && isStale()) {
      stopGrid();
      clearGrid();
    }
    const { kind, job } = state.grid;
    const own2 = kind === "findings";
    parts.findings.hidden = !own2;
    for (const node of [parts.method, parts.setting, parts.values]) node.hidden = kind !== "settings";
    parts.models.hidden = kind !== "models";
    parts.films.hidden = kind !== "films";
    parts.run.hidden = parts.stop.hidden = own2;
    setDisabled(parts.run, Boolean(job));
    setDisabled(parts.stop, !job);
    if (!job) setText(parts.status, "");
    offerChoices(parts, result);
    parts.draws.length = 0;
    parts.place.replaceChildren(own2 ? byFindings(parts, result) : byRuns(parts, result));
    drawGrid(parts);
  }
  function statusOf2() {
    const { job, jobs } = state.grid;
    const of = job && cellOf(job);
    if (!of) return "";
    const { method, column } = job;
    return [`${method.title}, ${column.name}: ${words(of)}`, jobs.length && tr("ui.grid.more_after", { n: jobs.length })].filter(Boolean).join("; ");
  }
  function isStale() {
    const { kind, ran, film, source, model } = state.grid;
    return ran !== kind || film !== state.film || source !== state.film?.source || kind !== "models" && model !== state.model;
  }
  function drawGrid({ panel: panel2, draws: draws2 }) {
    if (!panel2.hidden) for (const redraw of draws2) redraw();
  }
  function offerChoices(parts, result) {
    offerFindings(parts, result);
    parts.films.replaceChildren(...filmsToCompare().map((film) => {
      const box = make("input", { type: "checkbox", checked: film.compared, onchange: () => compareFilm(film, box.checked) });
      return make("label", {}, box, film.name);
    }));
    const able = state.page.methods.filter((method) => method.settings.length);
    if (!able.length) return;
    const key = parts.method.value || (able.find((method) => state.on.has(method.key)) ?? able[0]).key;
    parts.method.replaceChildren(...able.map((method) => make("option", { value: method.key, selected: method.key === key }, method.title)));
    const settings = methodOf(key)?.settings ?? [];
    if (settings.some((s) => s.name === state.grid.setting)) return;
    changeGrid({ setting: settings[0].name });
    parts.setting.replaceChildren(...settings.map((s) => make("option", { value: s.name }, s.title)));
    suggest(parts);
  }
  var isCompared = (label) => state.grid.findings?.has(label) ?? false;
  function offerFindings(parts, { seen: { labels, ranked } }) {
    if (!state.grid.findings) changeGrid({ findings: new Set(ranked.slice(0, 4).map((i) => labels[i])) });
    parts.findings.replaceChildren(...ranked.map((i) => button(
      readable(labels[i]),
      { class: "chip", "aria-pressed": String(isCompared(labels[i])), "data-label": labels[i] },
      () => {
        compareFinding(labels[i], !isCompared(labels[i]));
        showGrid(parts);
        parts.findings.querySelector(`[data-label="${labels[i]}"]`)?.focus();
      }
    )));
  }
  function cell2(parts, method, said, drawn2) {
    const canvas = make("canvas", { role: "img", "aria-label": said });
    if (drawn2) {
      const { maps, limit, i, label, result } = drawn2;
      parts.draws.push(() => {
        fit(canvas, result.image);
        picture(canvas, result, { maps, limit, stops: stopsOf(method) }, { i, label });
      });
    }
    return make("td", {}, make("div", { class: `stage small${drawn2 ? "" : " blank"}` }, canvas), make("small", {}, said));
  }
  var upTo = (limit, maps) => tr("ui.grid.up_to", { value: signed(limit).replace("+", maps.planes.some((q) => q < 0) ? "\xB1" : "") });
  function byFindings(parts, result) {
    const { labels, ranked, probabilities } = result.seen;
    const picked = ranked.filter((i) => isCompared(labels[i]));
    const rows = shown().flatMap((method) => {
      const maps = entryOf2(method)?.maps;
      if (!maps) return [];
      const most = Math.max(...picked.map((i) => maps.limit[i]));
      return [[method.title, picked.map((i) => cell2(
        parts,
        method,
        upTo(maps.limit[i], maps),
        { maps, limit: method.comparable ? most : maps.limit[i], i, label: labels[i], result }
      ))]];
    });
    return makeTable(picked.map((i) => `${readable(labels[i])} ${percent(probabilities[i])}`), rows);
  }
  function headOf({ name, film }) {
    const result = film && resultOf(film);
    return film && result ? `${name} ${percent(probabilityOf(film, result.seen.labels.indexOf(state.label)))}` : name;
  }
  function byRuns(parts, result) {
    const { columns, rows } = state.grid;
    if (!columns.length) return make("p", { class: "soft" }, tr("ui.grid.choose"));
    const ofFilms = columns.some((column) => column.film);
    const heads = [...columns.map(headOf), ...ofFilms ? [] : [tr("ui.grid.difference")]];
    return makeTable(heads, rows.map((method) => [method.title, runCells(parts, method, ofFilms, result)]));
  }
  function runCells(parts, method, ofFilms, result) {
    const { columns, cells } = state.grid;
    const found = columns.map((column, k) => {
      const of = cells.get(cellKey(method, k)) ?? null;
      const i = of?.maps?.labels.indexOf(state.label) ?? -1;
      return { of, i, maps: i >= 0 ? of?.maps ?? null : null, result: (column.film ? resultOf(column.film) : null) ?? result };
    });
    const most = Math.max(0, ...found.map(({ maps, i }) => maps?.limit[i] ?? 0));
    const made = found.map(({ of, maps, i, result: seen }) => cell2(
      parts,
      method,
      wordsOf(of, maps, i),
      maps && { maps, limit: method.comparable ? most : maps.limit[i], i, label: state.label, result: seen }
    ));
    if (ofFilms) return made;
    const [first, last] = [found[0], found[found.length - 1]];
    if (columns.length < 2 || !method.comparable || !first.maps || !last.maps) {
      return [...made, cell2(parts, method, method.comparable ? "" : tr("ui.grid.no_difference"), null)];
    }
    const less = lessOf(last.maps, last.i, first.maps, first.i);
    return [...made, cell2(parts, method, upTo(less.limit[0], less), { maps: less, limit: most, i: 0, label: state.label, result })];
  }
  function wordsOf(of, maps, i) {
    if (maps) return `${upTo(maps.limit[i], maps)}, ${fixed(of?.seconds ?? 0, 1)} s`;
    if (of?.maps) return tr("ui.grid.unknown_finding", { finding: readable(state.label) });
    const ended2 = of?.error ?? of?.stopped;
    if (ended2) return say(ended2);
    return of ? tr("ui.grid.running") : state.grid.job ? tr("ui.grid.waits") : tr("ui.grid.not_run");
  }

  // cxr_demo/web/viewer/preferences.js
  function remembered(name) {
    try {
      return localStorage.getItem(`cxr-${name}`);
    } catch {
      return null;
    }
  }
  function remember(name, value) {
    try {
      localStorage.setItem(`cxr-${name}`, String(value));
    } catch {
    }
  }

  // cxr_demo/web/viewer/header.js
  function createHead(models, { adding, teaching, menu: menu2, openTable }) {
    const { title, notice } = state.page;
    const model = make("div", { class: "model" }, make("label", { for: "cxr-model", class: "sr" }, tr("ui.page.model")), models.list, models.facts.opener, models.facts.pane);
    const space = make("strong", { class: "notice", role: "note" }, notice);
    const [opener, pane] = createMenu(menu2);
    const place = () => narrow.matches ? pane.prepend(model, ...teaching) : (space.before(model), space.after(...teaching));
    const node = make("header", { class: "top" }, make("h1", {}, title), createSteps(openTable), ...adding, space, opener, pane, models.problem, models.node);
    place();
    narrow.addEventListener("change", place);
    return node;
  }
  function createSteps(openTable) {
    const place = button("", { class: "quiet", id: "cxr-films", title: tr("ui.page.all_films") }, openTable);
    const step2 = (sign, words2, by) => button(sign, { class: "quiet", "aria-label": words2, title: words2 }, () => {
      const to = state.films[at() + by];
      if (to) choose(to);
    });
    const [before, next] = [step2("\u2039", tr("ui.keys.film_before"), -1), step2("\u203A", tr("ui.keys.next_film"), 1)];
    const node = make("div", { class: "steps", role: "group", "aria-label": tr("ui.films.list"), hidden: true }, before, place, next);
    const at = () => state.films.findIndex((film) => film === state.film);
    on("films", () => {
      node.hidden = state.films.length < 2;
      setText(place, tr("ui.page.film_of", { at: at() + 1, n: state.films.length }));
      setDisabled(before, at() <= 0);
      setDisabled(next, at() === state.films.length - 1);
    });
    return node;
  }
  function createMenu(more) {
    const chapters = make("div", { class: "entries" });
    const { opener, pane } = createPopover(
      "cxr-menu",
      "\u22EF",
      tr("ui.page.menu"),
      make("div", { class: "entries" }, ...more, createDark()),
      chapters,
      createLanguages()
    );
    pane.addEventListener("beforetoggle", (event) => {
      if (
        /** @type {ToggleEvent} */
        event.newState === "open"
      ) chapters.replaceChildren(...chapterEntries());
    });
    pane.addEventListener("click", (event) => {
      if (
        /** @type {Element} */
        event.target.closest("#cxr-quiz, .entries button:not(#cxr-copy-link)")
      ) pane.hidePopover();
    }, { capture: true });
    return [opener, pane];
  }
  function createDark() {
    if (remembered("dark")) document.body.classList.toggle("dark", remembered("dark") === "true");
    return button(tr("ui.page.dark"), { class: "quiet", id: "cxr-dark" }, () => remember("dark", document.body.classList.toggle("dark")));
  }
  function createLanguages() {
    const languages = Object.entries(state.page.languages);
    if (languages.length < 2) return null;
    const list = make("select", { id: "cxr-language", onchange: () => {
      remember("language", list.value);
      location.reload();
    } }, ...languages.map(([code, { name }]) => make("option", { value: code, lang: code, selected: code === locale() }, name)));
    return make("div", { class: "group" }, make("label", { for: list.id }, tr("ui.page.language")), list);
  }
  var chaptersNow = () => (
    /** @type {HTMLElement | null} */
    document.querySelector(`.chapters.in-${locale()}`)
  );
  function chapterEntries() {
    const sheet = chaptersNow();
    if (!sheet) return [];
    sheet.setAttribute("popover", "auto");
    const heads = (
      /** @type {HTMLElement[]} */
      [...sheet.querySelectorAll("button.label-wrap")]
    );
    return [...heads.map((head) => button(head.textContent?.replace("\u25BC", "").trim() ?? "", { class: "quiet" }, () => {
      for (const one of heads) if (one.classList.contains("open") !== (one === head)) one.click();
      sheet.showPopover();
      head.focus();
    })), make("a", { href: "?view=api", target: "_blank" }, tr("ui.page.programs"))];
  }

  // cxr_demo/web/viewer/keys.js
  function createKeys(keys) {
    const own2 = (
      /** @type {Key} */
      ["?", tr("ui.keys.these"), () => dialog.showModal()]
    );
    const known = [...keys, own2];
    const on2 = make("input", { type: "checkbox", id: "cxr-keys-on", checked: true });
    const dialog = make(
      "dialog",
      { class: "keys", "aria-labelledby": "cxr-keys-title" },
      make("h3", { id: "cxr-keys-title" }, tr("ui.keys.title")),
      make("dl", {}, ...[...known, ...gestures()].flatMap(([key, words2]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, words2)])),
      make("label", {}, on2, " ", tr("ui.keys.single")),
      make("form", { method: "dialog" }, make("button", { class: "quiet" }, tr("ui.common.close")))
    );
    document.addEventListener("keydown", (event) => {
      if (on2.checked && !dialog.open) press2(known, event);
    });
    return { dialog, opener: button(tr("ui.keys.opener"), { class: "quiet", id: "cxr-keys" }, () => dialog.showModal()) };
  }
  var FIELDS = "input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]";
  function press2(known, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(FIELDS)) return;
    const [, , act] = known.find(([key]) => key === event.key) ?? [];
    if (!act) return;
    event.preventDefault();
    act();
  }
  var gestures = () => [
    [tr("ui.keys.arrows"), tr("ui.keys.arrows_do")],
    [tr("ui.keys.shift_arrows"), tr("ui.keys.shift_arrows_do")],
    [tr("ui.keys.drag"), tr("ui.keys.drag_does")],
    [tr("ui.keys.right_drag"), tr("ui.keys.right_drag_does")],
    [tr("ui.keys.enter"), tr("ui.keys.enter_does")],
    [tr("ui.keys.ctrl_wheel"), tr("ui.keys.ctrl_wheel_does")],
    [tr("ui.keys.double_click"), tr("ui.keys.double_click_does")]
  ];
  function keysOf(opacity, looks, wipe, fullScreen, drawBox) {
    const change = (field, value, event) => {
      field.value = value;
      field.dispatchEvent(new Event(event));
    };
    const slide = (by) => change(opacity, String(clamp(Number(opacity.value) + by, 0, 1)), "input");
    return [
      ["+", tr("ui.keys.zoom_in"), () => zoomBy(1.5)],
      ["-", tr("ui.keys.zoom_out"), () => zoomBy(1 / 1.5)],
      ["0", tr("ui.keys.whole_film"), () => lookAt(0, 0, 1)],
      ["w", tr("ui.keys.auto_window"), autoWindow],
      ["W", tr("ui.keys.full_window"), () => setWindow(0.5, 1)],
      ["i", tr("ui.keys.invert"), () => looks.invert.click()],
      ["[", tr("ui.keys.less_colour"), () => slide(-0.1)],
      ["]", tr("ui.keys.more_colour"), () => slide(0.1)],
      ["s", tr("ui.keys.smooth"), () => change(looks.surface, state.smooth ? "cells" : "smooth", "change")],
      ["c", tr("ui.keys.contour"), () => change(looks.levels, looks.levels.value ? "" : "50", "input")],
      ["m", tr("ui.keys.wipe"), () => wipe.click()],
      ["f", tr("ui.keys.full_screen"), () => fullScreen.click()],
      ["j", tr("ui.keys.next_finding"), () => stepFinding(1)],
      ["k", tr("ui.keys.finding_before"), () => stepFinding(-1)],
      ["n", tr("ui.keys.next_film"), () => stepFilm(1)],
      ["p", tr("ui.keys.film_before"), () => stepFilm(-1)],
      ["b", tr("ui.keys.draw_box"), drawBox]
    ];
  }
  function stepFilm(by) {
    const to = state.films[state.films.findIndex((film) => film === state.film) + by];
    if (to) choose(to);
  }
  function stepFinding(by) {
    const ranked = current()?.seen.ranked;
    if (ranked) pick(ranked[clamp(ranked.indexOf(state.chosen) + by, 0, ranked.length - 1)]);
  }
  function createFullScreen(bench) {
    const words2 = () => document.fullscreenElement ? tr("ui.page.leave_full_screen") : tr("ui.page.full_screen");
    const opener = button(tr("ui.page.full_screen"), { class: "quiet", id: "cxr-full-screen", title: tr("ui.page.full_screen_hint") }, () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else bench().requestFullscreen().catch(() => note("look", tr("ui.page.no_full_screen")));
    });
    document.addEventListener("fullscreenchange", () => {
      opener.textContent = words2();
      drawSoon();
    });
    return opener;
  }

  // cxr_demo/web/viewer/links.js
  var PARAMETERS = { phantom: "example", example: "example", lesson: "lesson" };
  var CONFIRMED = 2500;
  function readLink(search, page) {
    const query = new URLSearchParams(search);
    const film = filmsOf(page).find(({ kind, item }) => query.get(PARAMETERS[kind] ?? "") === item.key) ?? null;
    const [finding, language] = [query.get("finding"), query.get("lang")];
    const keys = query.get("methods")?.split(",").filter(Boolean) ?? null;
    const methods = page.methods.map((method) => method.key).filter((key) => keys?.includes(key));
    const strange = keys?.filter((key) => !methods.includes(key)) ?? [];
    const used = {
      example: film?.item.key,
      lesson: film?.item.key,
      finding: film?.labels.find((label) => label === finding),
      lang: Object.keys(page.languages).find((code) => code === language)
    };
    return {
      film,
      finding: used.finding ?? null,
      language: used.lang ?? null,
      methods: keys && (methods.length || !strange.length) ? methods : null,
      unknown: [
        ...Object.entries(used).filter(([name, value]) => query.has(name) && query.get(name) !== value).map(([name]) => `${name}=${query.get(name)}`),
        ...strange.length ? [`methods=${strange.join()}`] : []
      ]
    };
  }
  function filmsOf({ phantoms, examples, lessons, spec: { labels } }) {
    return [
      ...phantoms.map((item) => (
        /** @type {Linked} */
        { kind: "phantom", item, labels }
      )),
      ...examples.map((item) => (
        /** @type {Linked} */
        { kind: "example", item, labels }
      )),
      ...lessons.map((item) => (
        /** @type {Linked} */
        { kind: "lesson", item, labels: item.boxes.map((box) => box.label) }
      ))
    ];
  }
  function linkOf({ page, film, chosen, label, on: visible }, language) {
    const parameter = film?.source && PARAMETERS[film.source.kind];
    if (film && !parameter) return null;
    const query = new URLSearchParams();
    if (parameter) query.set(parameter, film?.source?.key ?? "");
    if (parameter && chosen !== NONE) query.set("finding", label);
    query.set("methods", page.methods.map((method) => method.key).filter((key) => visible.has(key)).join());
    query.set("lang", language);
    return `?${query}`.replaceAll("%2C", ",");
  }
  function openLink({ film, finding, unknown }) {
    if (film?.kind === "lesson") addLesson(film.item, finding);
    else if (film) addBuiltIn(film.kind, film.item, finding);
    if (unknown.length) note("box", tr("ui.links.unknown", { parts: unknown.join(", ") }));
  }
  function createCopyLink() {
    const copy = button(tr("ui.links.copy"), { class: "quiet", id: "cxr-copy-link", "aria-live": "polite" }, () => copyAddress(copy));
    const show2 = () => {
      copy.disabled = linkOf(state, locale()) === null;
      copy.title = copy.disabled ? tr("ui.links.own_film") : tr("ui.links.copy_hint");
    };
    on("film", show2);
    show2();
    return copy;
  }
  async function copyAddress(copy) {
    const address = `${location.origin}${location.pathname}${linkOf(state, locale()) ?? ""}`;
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      return showAddress(copy, address);
    }
    setText(copy, tr("ui.links.copied"));
    setTimeout(() => setText(copy, tr("ui.links.copy")), CONFIRMED);
  }
  function showAddress(copy, address) {
    const field = make("input", { type: "text", readonly: true, value: address, onblur: () => label.remove() });
    const label = make("label", { class: "group" }, tr("ui.links.copy_yourself"), field);
    copy.after(label);
    field.select();
  }

  // cxr_demo/web/viewer/looks.js
  function createLooks() {
    const zoom = createZoom();
    const window2 = createWindow();
    const maps = createMapLooks();
    const status = make("p", { class: "soft look-status", role: "status" });
    on("note", (name) => {
      if (name === "look") setText(status, state.notes.look);
    });
    return { rows: [zoom, ...window2.groups, ...maps.groups], status, surface: maps.surface, levels: maps.levels, invert: window2.invert };
  }
  function createZoom() {
    const number = make("output", { id: "cxr-zoom" }, "100 %");
    const out = button("\u2212", { class: "quiet", "aria-label": tr("ui.looks.zoom_out"), title: tr("ui.looks.zoom_out_key"), disabled: true }, () => zoomBy(1 / 1.5));
    const closer = button("+", { class: "quiet", "aria-label": tr("ui.looks.zoom_in"), title: tr("ui.looks.zoom_in_key") }, () => zoomBy(1.5));
    const all = button(tr("ui.looks.fit"), { class: "quiet", title: tr("ui.looks.fit_hint"), disabled: true }, () => lookAt(0, 0, 1));
    on("view", () => {
      const { zoom } = state.view;
      setText(number, `${Math.round(100 * zoom)} %`);
      for (const node of [out, all]) setDisabled(node, zoom === 1);
      setDisabled(closer, zoom === LARGEST);
    });
    return group(tr("ui.looks.zoom"), out, number, closer, all);
  }
  function createWindow() {
    const slid = () => setWindow(Number(level.value), 1 - Number(contrast.value));
    const level = make("input", { type: "range", id: "cxr-level", min: 0, max: 1, step: 5e-4, value: 0.5, oninput: slid });
    const contrast = make("input", { type: "range", id: "cxr-contrast", min: 0, max: 1 - NARROWEST, step: 2e-3, value: 0, oninput: slid });
    const invert = button(tr("ui.looks.invert"), { class: "quiet", id: "cxr-invert", "aria-pressed": "false", title: tr("ui.looks.invert_hint") }, invertWindow);
    const auto = button(tr("ui.looks.auto"), { class: "quiet", id: "cxr-auto", title: tr("ui.looks.auto_hint") }, autoWindow);
    const full = button(tr("ui.looks.full"), { class: "quiet", id: "cxr-full", title: tr("ui.looks.full_hint") }, () => setWindow(0.5, 1));
    on("view", () => {
      const { low, high, inverted } = state.window;
      level.value = String((low + high) / 2);
      contrast.value = String(1 - (high - low));
      invert.setAttribute("aria-pressed", String(inverted));
    });
    return { invert, groups: [
      group(make("label", { for: "cxr-level" }, tr("ui.looks.level")), level),
      group(make("label", { for: "cxr-contrast" }, tr("ui.looks.contrast")), contrast),
      group(tr("ui.looks.window"), auto, full, invert)
    ] };
  }
  function createMapLooks() {
    const { page, palette } = state;
    const palettes = choice("cxr-palette", page.palettes.map(({ key, title }) => [key, title]), palette, (key) => setLook({ palette: key }));
    const sides = choice(
      "cxr-side",
      [["both", tr("ui.looks.both_sides")], ["for", tr("ui.looks.for_only")], ["against", tr("ui.looks.against_only")]],
      state.side,
      (side) => setLook({ side: (
        /** @type {State['side']} */
        side
      ) })
    );
    const surface = choice("cxr-surface", [["cells", tr("ui.looks.cells")], ["smooth", tr("ui.looks.smooth")]], state.smooth ? "smooth" : "cells", (value) => setLook({ smooth: value === "smooth" }));
    const levels2 = make("input", {
      type: "text",
      id: "cxr-levels",
      size: 8,
      placeholder: tr("ui.looks.no_contours"),
      inputmode: "decimal",
      title: tr("ui.looks.contours_hint"),
      oninput: () => takeContours(levels2)
    });
    return { surface, levels: levels2, groups: [
      group(make("label", { for: "cxr-palette" }, tr("ui.looks.colours")), palettes),
      group(make("label", { for: "cxr-side" }, tr("ui.looks.sides")), sides),
      group(make("label", { for: "cxr-surface" }, tr("ui.looks.surface")), surface),
      group(make("label", { for: "cxr-levels" }, tr("ui.looks.contours")), levels2, make("span", {}, "%"))
    ] };
  }
  function choice(id, options, chosen, heard) {
    const list = make(
      "select",
      { id, onchange: () => heard(list.value) },
      ...options.map(([value, words2]) => make("option", { value, selected: value === chosen }, words2))
    );
    return list;
  }
  function takeContours(field) {
    const written = field.value.split(/[\s,;%]+/).filter(Boolean);
    const shares = written.map(Number).filter((share2) => share2 > 0 && share2 < 100);
    field.setAttribute("aria-invalid", String(shares.length < written.length));
    note("look", shares.length < written.length ? tr("ui.looks.contours_wrong") : "");
    setLook({ levels: shares.map((share2) => share2 / 100).sort() });
  }

  // cxr_demo/web/viewer/quiz.js
  var NO_GUESS = { finding: null, edges: null, revealed: false };
  function createQuiz(root, filmPane, mark2) {
    const parts = createParts5(mark2);
    const opener = button(tr("ui.quiz.title"), {
      class: "quiet",
      id: "cxr-quiz",
      "aria-pressed": "false",
      title: tr("ui.quiz.opener_hint")
    }, () => {
      changeQuiz({ on: !state.quiz.on });
      opener.setAttribute("aria-pressed", String(state.quiz.on));
      if (state.quiz.on && isExample()) openAny();
      publish("quiz");
      publish("draw");
    });
    const show2 = () => {
      root.classList.toggle("guessing", guessing());
      filmPane.dataset.kind = state.film?.source?.kind ?? "";
      showQuiz(parts);
    };
    on("quiz", show2);
    on("film", show2);
    return { pane: parts.pane, opener };
  }
  function createParts5(onMark) {
    const finding = make("select", { id: "cxr-guess", onchange: () => {
      if (state.film) guess(state.film, { finding: finding.value === "" ? null : Number(finding.value) });
      publish("quiz");
    } });
    const mark2 = button(tr("ui.quiz.mark"), { class: "quiet", id: "cxr-guess-mark" }, onMark);
    const reveal = button(tr("ui.quiz.reveal"), { class: "quiet", id: "cxr-reveal" }, revealGuess);
    const said = make("div", { class: "said", role: "status", tabindex: -1 });
    const any = button(tr("ui.quiz.any"), { class: "quiet", id: "cxr-guess-any", hidden: !state.page.phantoms.length }, openAny);
    const form = make("div", { class: "group" }, make("label", { for: "cxr-guess" }, tr("ui.quiz.what_do_you_see")), finding, mark2, reveal);
    const pane = make(
      "section",
      { class: "quiz", "aria-label": tr("ui.quiz.title"), hidden: true },
      make("h2", {}, tr("ui.quiz.title")),
      make("p", { class: "soft" }, tr("ui.quiz.hint")),
      form,
      said,
      make("div", { class: "group" }, any)
    );
    return { pane, form, finding, mark: mark2, reveal, said };
  }
  function openAny() {
    const known = (item2) => state.films.some((film) => plantedIn(film) === item2 && film.guess?.revealed);
    const left = state.page.phantoms.filter((item2) => !known(item2));
    const among = left.length ? left : state.page.phantoms;
    const item = among[Math.floor(Math.random() * among.length)];
    removeFilms((film) => plantedIn(film) === item);
    addBuiltIn("phantom", item);
  }
  function showQuiz({ pane, form, finding, mark: mark2, reveal, said }) {
    const result = current();
    pane.hidden = !state.quiz.on;
    form.hidden = !result;
    said.replaceChildren();
    if (pane.hidden || !result) return;
    const own2 = result.film.guess ?? NO_GUESS;
    const left = own2.revealed && form.contains(document.activeElement);
    form.hidden = own2.revealed;
    const options = optionsOf(result.seen.labels);
    if ([...finding.options].map((option) => option.value).join() !== options.map(([value]) => value).join()) {
      finding.replaceChildren(...options.map(([value, words2]) => make("option", { value }, words2)));
    }
    finding.value = String(own2.finding ?? "");
    setDisabled(reveal, own2.finding === null);
    mark2.setAttribute("aria-pressed", String(state.drawing));
    setText(mark2, own2.edges ? tr("ui.quiz.mark_again") : tr("ui.quiz.mark"));
    said.replaceChildren(...own2.revealed ? answerTo(result, own2) : []);
    if (left) said.focus();
  }
  function optionsOf(labels) {
    const findings = labels.map((label, i) => (
      /** @type {[string, string]} */
      [String(i), readable(label)]
    ));
    return [["", tr("ui.quiz.choose")], [String(NONE), tr("ui.quiz.none_of_these")], ...findings.sort((a, b) => a[1].localeCompare(b[1]))];
  }
  function revealGuess() {
    const result = current();
    const own2 = result?.film.guess;
    if (!result || !own2 || own2.finding === null) return;
    const { film, seen } = result;
    guess(film, { revealed: true });
    count(result, own2.finding, own2.edges);
    if (own2.finding !== NONE) {
      if (own2.edges) addBox(film, { label: seen.labels[own2.finding], edges: own2.edges });
      pick(own2.finding);
      if (own2.edges) askTrust(true);
    }
    publish("quiz");
    publish("draw");
  }
  function count(result, finding, edges) {
    const { said, named, judged, right, marked, met } = state.quiz;
    const place = result.seen.ranked.indexOf(finding);
    changeQuiz({ said: said + 1, named: named + Number(place >= 0 && place < 3) });
    if (knownFindings(result.film)) changeQuiz({ judged: judged + 1, right: right + Number(isRight(result, finding)) });
    const known = knownEdges(result, finding);
    if (edges && known.length) changeQuiz({ marked: marked + 1, met: met + Number(known.some((one) => overlapOf(one, edges) > 0)) });
  }
  function answerTo(result, { finding, edges }) {
    const { film, seen } = result;
    const guessed = finding ?? NONE;
    const known = knownFindings(film);
    const names = (labels) => labels.length ? labels.map(readable).join(", ") : tr("ui.quiz.none_of_these");
    const [first] = foundBy(result);
    return [
      make("h3", {}, !known ? tr("ui.quiz.unknown") : isRight(result, guessed) ? tr("ui.quiz.right") : tr("ui.quiz.wrong")),
      make("p", {}, tr("ui.quiz.line", {
        you: names(guessed === NONE ? [] : [seen.labels[guessed]]),
        model: first === void 0 ? tr("ui.quiz.model_none") : `${readable(seen.labels[first])} ${percent(seen.probabilities[first])}`,
        truth: known ? names(known) : tr("ui.quiz.not_known")
      })),
      make("ul", { class: "soft" }, ...detailsOf(result, guessed, edges).map((text) => make("li", {}, text)))
    ];
  }
  var foundBy = ({ seen }) => seen.ranked.filter((i) => isAbove(seen, i));
  function detailsOf(result, guessed, edges) {
    const { judged, right, named, said, marked, met } = state.quiz;
    const planted = plantedIn(result.film);
    return [
      guessed === NONE ? sawNone(result) : sawOne(result, guessed),
      planted ? `${planted.planted} ${tr("ui.quiz.drawn")}` : "",
      truthEdges(result.film).length ? tr("ui.quiz.yellow") : "",
      edges && overlapWords(knownEdges(result, guessed), edges),
      edges && guessed !== NONE ? evidenceWords(result, guessed, edges) : "",
      judged ? tr("ui.quiz.so_far_right", { right, n: judged }) : "",
      tr("ui.quiz.so_far_named", { named, n: said }),
      marked ? tr("ui.quiz.marks_met", { met, n: marked }) : ""
    ].filter((text) => text);
  }
  function sawNone(result) {
    const n = foundBy(result).length;
    return n ? tr("ui.quiz.model_above", { n }) : "";
  }
  function sawOne({ seen }, finding) {
    const given = { finding: readable(seen.labels[finding]), p: percent(seen.probabilities[finding]), place: seen.ranked.indexOf(finding) + 1, n: seen.ranked.length };
    return isAbove(seen, finding) ? tr("ui.quiz.saw_above", given) : tr("ui.quiz.saw", given);
  }
  function overlapWords(places, edges) {
    if (!places.length) return "";
    return tr(
      "ui.quiz.overlap",
      { value: fixed(Math.max(...places.map((one) => overlapOf(one, edges))), 2) }
    );
  }
  function evidenceWords({ seen: { film: { crop } } }, finding, edges) {
    const found = shown().flatMap((method) => {
      const maps = entryOf2(method)?.maps;
      return maps ? [`${method.title} ${share(evidenceIn(maps, finding, edges, crop))}`] : [];
    });
    return found.length ? tr(
      "ui.quiz.evidence",
      { shares: found.join(", "), area: share(areaOf(edges, crop)) }
    ) : "";
  }

  // cxr_demo/web/viewer/table.js
  function createTable(saving) {
    const name = make("span", {});
    const place = make("div", { class: "scroll" });
    const panel2 = make(
      "div",
      { class: "table films", hidden: true },
      make("h3", {}, name),
      place,
      make(
        "p",
        { class: "soft" },
        tr("ui.table.hint"),
        " ",
        tr("ui.table.combined_hint")
      ),
      make("div", { class: "group" }, button(tr("ui.table.save"), { class: "quiet", id: "cxr-csv" }, saveTable), ...takesFilms() ? saving : saving.slice(-1))
    );
    on("films", () => showTable(name, place));
    return panel2;
  }
  var labelsOf = (films) => resultOf(films[0])?.seen.labels ?? [];
  var together = () => labelsOf(ticked()).map((_, i) => combined(ticked().map((film) => probabilityOf(film, i))));
  function sorted() {
    const films = answered();
    const { by, falling } = state.order;
    if (by === null || !films.length) return films;
    const i = by === "name" ? -1 : labelsOf(films).indexOf(by);
    const value = (film) => i < 0 ? film.name : probabilityOf(film, i);
    return films.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (falling ? -1 : 1));
  }
  function showTable(name, place) {
    const films = sorted();
    const missing = state.films.filter((film) => film.error && !resultOf(film)).length;
    const waits = state.films.length - films.length - missing;
    setText(name, [
      tr("ui.table.title", { done: films.length, n: state.films.length }),
      waits && tr("ui.table.to_come", { n: waits }),
      missing && tr("ui.table.unreadable", { n: missing })
    ].filter(Boolean).join(", "));
    if (!films.length) return place.replaceChildren();
    const again = () => showTable(name, place);
    refill(place, [make("table", {}, headOf2(films, again), make("tbody", {}, ...films.map((film) => rowOf(film, films, again))), footOf(films))]);
  }
  function headOf2(films, again) {
    const head = (by, words2) => {
      const { falling } = state.order;
      const sorts = state.order.by === by;
      return make(
        "th",
        { scope: "col", "data-by": by, "aria-sort": !sorts ? "none" : falling ? "descending" : "ascending" },
        button(`${words2}${!sorts ? "" : falling ? " \u25BE" : " \u25B4"}`, { class: "plain" }, () => {
          sortBy(by);
          again();
        })
      );
    };
    return make("thead", {}, make("tr", {}, make("td", {}), head("name", tr("ui.common.film")), ...labelsOf(films).map((label) => head(label, readable(label)))));
  }
  function cellOf2(films) {
    const thresholds = resultOf(films[0])?.seen.thresholds ?? [];
    return (p, i) => {
      const threshold = thresholds[i];
      const above = threshold !== null && p >= threshold;
      return make("td", { class: above ? "above" : null }, `${above ? "\u25B2 " : ""}${percent(p)}`);
    };
  }
  function rowOf(film, films, again) {
    const seen = resultOf(film)?.seen;
    const tick = make("input", {
      type: "checkbox",
      checked: film.ticked,
      "aria-label": tr("ui.table.combine", { name: film.name }),
      onchange: () => {
        tickFilm(film, tick.checked);
        again();
      }
    });
    return make(
      "tr",
      { "aria-current": film === state.film ? "true" : null, class: seen?.doubted ? "doubted" : null },
      make("td", {}, tick),
      make(
        "th",
        { scope: "row", title: seen?.warnings.map(say).join(" ") || null },
        seen && (seen.doubted || mayBeMisread(seen)) ? "\u26A0 " : null,
        button(film.name, { class: "plain" }, () => choose(film))
      ),
      ...(seen?.probabilities ?? []).map(cellOf2(films))
    );
  }
  function footOf(films) {
    const many = ticked().length;
    if (many < 2) return null;
    return make("tfoot", {}, make("tr", {}, make("td", {}), make("th", { scope: "row" }, tr("ui.table.combined", { n: many })), ...together().map(cellOf2(films))));
  }
  function saveTable() {
    const films = sorted();
    if (!films.length) return;
    const labels = labelsOf(films);
    const revision = quoted(resultOf(films[0])?.seen.spec.revision ?? "");
    const numbers = (probabilities) => probabilities.map((p) => p.toFixed(6));
    const rows = [["file", "model", ...labels, "warnings"].map(quoted)];
    for (const film of films) {
      const seen = resultOf(film)?.seen;
      rows.push([quoted(film.name), revision, ...numbers(seen?.probabilities ?? []), quoted(seen?.warnings.map(({ text }) => text).join(" ") ?? "")]);
    }
    for (const film of state.films) if (film.error && !resultOf(film)) rows.push([quoted(film.name), revision, ...labels.map(() => ""), quoted(film.error)]);
    if (ticked().length > 1) rows.push([quoted(`combined: ${ticked().map((film) => film.name).join(", ")}`), revision, ...numbers(together()), ""]);
    download(new Blob([csvOf(rows)], { type: "text/csv" }), "findings.csv");
  }

  // cxr_demo/web/viewer/tour.js
  var stops = () => [
    [[".stages", ".film"], tr("ui.tour.films")],
    [[".findings", ".quiz"], tr("ui.tour.findings")],
    [[".stages", ".cards"], tr("ui.tour.maps")],
    [["#cxr-view"], tr("ui.tour.looks")],
    [["#cxr-check", ".drawer"], tr("ui.tour.trust")],
    [["#cxr-quiz", "#cxr-menu"], tr("ui.tour.quiz")]
  ];
  function createTour(root) {
    const way = stops();
    let at = -1;
    const words2 = make("p", {});
    const next = button(tr("ui.tour.next"), { class: "quiet", id: "cxr-tour-next" }, () => step2(at + 1));
    const back = button(tr("ui.tour.back"), { class: "quiet" }, () => step2(at - 1));
    const end = button(tr("ui.tour.end"), { class: "quiet", id: "cxr-tour-end" }, () => step2(-1));
    const pane = make(
      "div",
      { class: "tour", role: "dialog", "aria-label": tr("ui.tour.opener"), hidden: true },
      make("div", { role: "status" }, words2),
      make("div", { class: "group" }, back, next, end)
    );
    const opener = button(tr("ui.tour.opener"), { class: "quiet", id: "cxr-tour" }, () => {
      openPhantom();
      step2(0);
    });
    const step2 = (to) => {
      root.querySelector(".toured")?.classList.remove("toured");
      at = to < way.length ? to : -1;
      pane.hidden = at < 0;
      if (pane.hidden) return (
        /** @type {HTMLElement | null} */
        root.querySelector("#cxr-menu")?.focus()
      );
      const [where, text] = way[at];
      setText(words2, `${tr("ui.tour.place", { at: at + 1, n: way.length })} ${text}`);
      setText(next, at + 1 < way.length ? tr("ui.tour.next") : tr("ui.tour.done"));
      back.hidden = at === 0;
      end.hidden = at + 1 === way.length;
      const place = where.map((selector) => root.querySelector(selector)).find((node) => node?.checkVisibility());
      place?.classList.add("toured");
      place?.scrollIntoView({ block: "center" });
      next.focus({ preventScroll: true });
    };
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && at >= 0) step2(-1);
    });
    return { pane, opener };
  }
  function openPhantom() {
    const { phantoms } = state.page;
    if (!state.film && phantoms.length) addBuiltIn("phantom", phantoms.find((item) => item.finding === "Effusion") ?? phantoms[0]);
  }

  // cxr_demo/web/viewer/wipe.js
  var FILM = "film";
  function createWipe(readAloud) {
    const parts = createParts6();
    const { card, canvas } = parts;
    followPointers(canvas, readAloud);
    const opener = button(tr("ui.wipe.opener"), { class: "quiet", id: "cxr-wipe", "aria-pressed": "false", title: tr("ui.wipe.opener_hint") }, () => {
      setWipe({ on: !state.wipe.on });
      card.hidden = !state.wipe.on;
      opener.setAttribute("aria-pressed", String(state.wipe.on));
      publish("cards-shown");
      if (state.wipe.on) card.scrollIntoView({ block: "nearest" });
    });
    on("draw", () => drawWipe(parts));
    on("cards", () => drawWipe(parts));
    return { card, opener };
  }
  function createParts6() {
    const { canvas, node } = makeStage(tr("ui.wipe.two_maps"));
    const at = make("input", {
      type: "range",
      id: "cxr-wipe-at",
      min: 0,
      max: 1,
      step: 5e-3,
      value: 0.5,
      "aria-label": tr("ui.wipe.position"),
      oninput: () => {
        setWipe({ at: Number(at.value) });
        drawWipe(parts);
      }
    });
    const a = make("select", { "aria-label": tr("ui.wipe.left"), onchange: () => {
      setWipe({ a: a.value });
      drawWipe(parts);
    } });
    const b = make("select", { "aria-label": tr("ui.wipe.right"), onchange: () => {
      setWipe({ b: b.value });
      drawWipe(parts);
    } });
    const card = make(
      "article",
      { class: "card wipe", "aria-label": tr("ui.wipe.card"), hidden: true },
      make("header", {}, make("h3", {}, tr("ui.wipe.opener")), a, make("span", { class: "unit" }, tr("ui.wipe.left_right")), b),
      node,
      at,
      make("p", { class: "reading" }, tr("ui.wipe.reading"))
    );
    const parts = { card, canvas, stage: node, a, b };
    return parts;
  }
  var nameOf4 = (key) => methodOf(key ?? "")?.title ?? tr("ui.wipe.film_alone");
  function drawWipe({ canvas, stage, a, b }) {
    const result = current();
    stage.classList.toggle("blank", !result);
    if (!state.wipe.on || !result) return;
    const keys = [...shown().map((method) => method.key), FILM];
    offer(keys, a, b);
    fit(canvas, result.image);
    const { width, height } = canvas;
    const pen = penOf(canvas);
    const x = Math.round(state.wipe.at * width);
    for (
      const [key, left, wide] of
      /** @type {const} */
      [[state.wipe.a, 0, x], [state.wipe.b, x, width - x]]
    ) {
      const method = methodOf(key ?? "");
      const maps = method && mapsOf(method);
      pen.save();
      pen.beginPath();
      pen.rect(left, 0, wide, height);
      pen.clip();
      picture(canvas, result, maps ? { maps, limit: limitOf(method, maps), stops: stopsOf(method) } : null);
      pen.restore();
    }
    for (
      const [colour, thick] of
      /** @type {const} */
      [["rgb(0 0 0 / .8)", 4], ["rgb(255 255 255)", 2]]
    ) {
      pen.fillStyle = colour;
      pen.fillRect(x - thick / 2, 0, thick, height);
    }
    canvas.setAttribute("aria-label", tr(
      "ui.wipe.caption",
      { left: nameOf4(state.wipe.a), right: nameOf4(state.wipe.b), finding: findingShown() }
    ));
  }
  function offer(keys, a, b) {
    if (!keys.includes(state.wipe.a ?? "")) setWipe({ a: keys[0] });
    if (!keys.includes(state.wipe.b ?? "")) setWipe({ b: keys.find((key) => key !== state.wipe.a) ?? null });
    for (
      const [list, key] of
      /** @type {const} */
      [[a, state.wipe.a], [b, state.wipe.b]]
    ) {
      if ([...list.options].map((option) => option.value).join() !== keys.join()) {
        list.replaceChildren(...keys.map((one) => make("option", { value: one }, nameOf4(one))));
      }
      list.value = key ?? "";
    }
  }

  // cxr_demo/web/viewer/main.js
  function start2(host, names) {
    const { languages } = host.props.about;
    const search = wasReloaded() ? "" : location.search;
    const { language } = readLink(
      search,
      /** @type {About} */
      host.props.about
    );
    if (language) remember("language", language);
    const wished = language ?? remembered("language") ?? "";
    const code = languages[wished] ? wished : understood(languages, navigator.languages);
    speak(new Translator(code, languages[code].texts));
    openStore(translated(host.props.about));
    const display = keptDisplay();
    if (display) {
      showMethods(display.methods);
      setLook(display.look);
    }
    const link = readLink(search, state.page);
    if (link.methods) showMethods(link.methods);
    connect(host, names);
    const root = make("div", { class: "cxr" });
    on("films", keepFilms);
    on("look", keepDisplay);
    on("cards-shown", keepDisplay);
    on("view", () => root.classList.toggle("closer", state.view.zoom > 1));
    on("point", () => placeCrosses(root));
    const form = build(root);
    on("draw", () => {
      if (state.pointer) publish("point");
    });
    document.documentElement.lang = locale();
    host.element.replaceChildren(root);
    listen(names.channel, form);
    publish("spec");
    publish("cards-shown");
    restoreFilms(form, link.film !== null);
    openLink(link);
    new ResizeObserver(() => publish("draw")).observe(
      /** @type {HTMLElement} */
      root.querySelector(".cards")
    );
    setInterval(() => {
      for (const method of shown()) if (entryOf2(method)?.state === "running") publish("card", method);
      askNext();
      wakeStream();
    }, 200);
  }
  function startRecorded(names) {
    const { host, label, film } = readRecorded(names.channel);
    start2(host, names);
    const summary = document.querySelector(".record summary");
    if (summary) summary.textContent = tr("ui.page.how_to_repeat");
    addBuiltIn("recorded", film, label);
  }
  function build(root) {
    const spoken2 = make("span", { class: "sr", role: "status" });
    const readAloud = () => {
      spoken2.textContent = cards.readings();
    };
    const film = createFilmPane();
    createExample(film);
    followPointers(film.canvas, readAloud, () => state.drawing);
    const cards = createCards(readAloud);
    const wipe = createWipe(readAloud);
    const beside = createBeside(readAloud);
    const looks = createLooks();
    const fullScreen = createFullScreen(() => bench);
    const exporting = createExport();
    const controls = createControls({ view: [...looks.rows, beside.box], comparing: [createOther(), wipe.opener, fullScreen], saving: [exporting.save], check: () => drawer.toggle() });
    const boxes = createBoxes(film);
    const drawer = createDrawer(drawersOf(boxes.panel));
    const quiz = createQuiz(root, film.pane, boxes.toggle);
    const findings = createFindings();
    const models = createModels();
    const tour = createTour(root);
    const keys = createKeys(keysOf(controls.opacity, looks, wipe.opener, fullScreen, boxes.toggle));
    const deck = make("section", { class: "cards", "aria-label": tr("ui.page.maps") }, ...cards.nodes.values(), wipe.card, beside.card);
    const bench = make(
      "main",
      { class: "bench" },
      quiz.pane,
      controls.bar,
      make("div", { class: "statuses" }, looks.status, exporting.status),
      deck,
      createExamples(),
      drawer.node,
      spoken2,
      keys.dialog
    );
    on("cards-shown", () => {
      const columns = shown().length + Number(!wipe.card.hidden) + Number(!beside.card.hidden);
      deck.style.setProperty("--columns", String(Math.max(1, columns)));
      publish("draw");
    });
    root.append(
      createHead(models, {
        adding: createAdding(film.openPicker, film.openFolder),
        teaching: takesFilms() ? [quiz.opener] : [],
        menu: [...takesFilms() ? [tour.opener, createCopyLink()] : [], keys.opener],
        openTable: () => drawer.open("films")
      }),
      createStages(root, film.pane, cards.nodes),
      make("div", { class: "desk" }, make("aside", { class: "rail", "aria-label": tr("ui.page.film_and_findings") }, film.pane, findings.leading, findings.pane, film.strip), bench),
      tour.pane
    );
    return models.form;
  }
  function drawersOf(boxes) {
    const { reliable, agree } = createTrust();
    const shows = () => Boolean(current()) && !guessing();
    return [
      { key: "reliable", title: tr("ui.drawer.reliable"), panel: reliable, offered: shows },
      { key: "agree", title: tr("ui.drawer.agree"), panel: agree, offered: shows },
      { key: "box", title: tr("ui.drawer.box"), panel: boxes, offered: () => shows() && (takesFilms() || boxesOf(state.label).length > 0) },
      { key: "randomise", title: tr("ui.drawer.randomise"), panel: createScramble(), offered: () => shows() && takesFilms() },
      { key: "grid", title: tr("ui.drawer.grid"), panel: createGrid(), offered: shows },
      { key: "films", title: tr("ui.drawer.films"), panel: createTable(createPacking()), offered: () => state.films.length > 1 && !guessing() }
    ];
  }
  function wasReloaded() {
    const [entry] = performance.getEntriesByType("navigation");
    return (
      /** @type {PerformanceNavigationTiming | undefined} */
      entry?.type === "reload"
    );
  }
  function restoreFilms(form, linked) {
    const kept4 = keptFilms();
    if (!kept4) {
      if (!linked) openExample();
      return;
    }
    for (const { findings, name, source, boxes } of kept4.films) addFilm(builtInName(source) ?? name, source, { boxes, findings: new Map(findings), busy: false });
    if (linked) return;
    const known = state.page.models.some((model) => model.name === kept4.model);
    if (known) setModel(kept4.model);
    publish("model");
    pinFinding(kept4.pinned);
    const film = state.films[kept4.at] ?? state.films[0];
    if (known || !state.page.guests) return choose(film);
    filmWaits(film);
    lookAtFilm(film);
    askAgain(form, kept4.model);
  }
  return __toCommonJS(main_exports);
})();
