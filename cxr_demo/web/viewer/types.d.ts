// Types of the viewer's records. Fields are read-only to all modules; the store's actions change them.

/** Left, top, right, bottom, in shares of the film. */
export type Edges = readonly [number, number, number, number];
export interface Place { readonly x: number; readonly y: number }
export interface Size { readonly width: number; readonly height: number }
export interface Frame extends Size { readonly left: number; readonly top: number }
export interface View extends Place { readonly zoom: number }
/** Darkest and brightest grey level shown, in shares of all levels. */
export interface Window { readonly low: number; readonly high: number; readonly inverted: boolean }
/** A colour scale: values with red, green, blue, lowest first. */
export type Stops = readonly (readonly number[])[];
export type Sides = 'both' | 'for' | 'against';

// ------------------------------------------------------------------ from the server

/** A sentence of the server: by `id` in the visitor's language, or else the English `text`. */
export interface Sentence {
  readonly id: string | null; readonly text: string;
  readonly parameters: Readonly<Record<string, string | number | boolean | Sentence>>;
}
/** A choice: `key` in requests, `title` on the page. */
export interface Named { readonly key: string; readonly title: string }
export type Value = string | number;
export type Settings = Readonly<Record<string, Value>>;

export interface Setting {
  readonly name: string; readonly title: string; readonly default: Value; readonly help: string;
  readonly low: number; readonly high: number; readonly step: number | null; readonly choices: readonly Named[];
}
export interface Method {
  readonly key: string; readonly title: string; readonly unit: Named; readonly comparable: boolean;
  readonly signed: boolean; readonly paper: string; readonly reading: string; readonly cost: string; readonly on: boolean;
  readonly settings: readonly Setting[];
}
export interface Score {
  readonly metric: Sentence; readonly subset: Sentence; readonly value: number; readonly low: number; readonly high: number;
  readonly positives: number; readonly films: number;
}
export interface Spec {
  readonly title: Sentence; readonly revision: string; readonly labels: readonly string[]; readonly trained_on: string;
  readonly scored_on: string; readonly auroc: Readonly<Record<string, Score>>; readonly means: readonly Score[];
}
export interface Choice { readonly name: string; readonly title: string }
/** An example that comes with the page: a phantom, a public film or a failure case. */
export interface BuiltIn {
  readonly key: string; readonly title: string; readonly boxes?: readonly Box[]; readonly credit?: string;
  readonly planted?: string; readonly finding?: string; readonly edges?: Edges | null; readonly model?: Choice;
}
export interface Phantom extends BuiltIn { readonly planted: string; readonly picture: string }
export interface Lesson extends BuiltIn { readonly model: Choice; readonly boxes: readonly Box[] }
export interface Catalogue {
  readonly name: string; readonly also: readonly string[];
  readonly texts: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}
/** Colour scales by the key of a map's unit. */
export interface Palette extends Named { readonly colours: Readonly<Record<string, Stops>> }
/** Recorded answers by event. */
export type Answers = Readonly<Record<string, object>>;
/** The page's initial data, in the visitor's language except `spec`, `refused` and `example`. */
export interface About {
  readonly title: string; readonly tagline: string; readonly notice: string; readonly model: string;
  readonly models: readonly Choice[]; readonly guests: boolean; readonly spec: Spec; readonly methods: readonly Method[];
  readonly palettes: readonly Palette[]; readonly opacity: number;
  readonly phantoms: readonly Phantom[]; readonly lessons: readonly Lesson[]; readonly examples: readonly BuiltIn[];
  readonly example: { readonly key: string; readonly answers: Answers } | null;
  readonly signatures: readonly (readonly [number, string])[]; readonly withoutImage: readonly string[];
  readonly megabytes: number; readonly refused: Sentence;
  readonly turns: Readonly<Record<string, number>>; readonly depths: readonly Named[]; readonly stays: number; readonly faintest: number;
  readonly languages: Readonly<Record<string, Catalogue>>;
}
export interface SeenFilm extends Size {
  readonly name: string; readonly deeper: boolean; readonly png: string; readonly crop: Frame;
}
export interface Prediction {
  readonly labels: readonly string[]; readonly probabilities: readonly number[]; readonly exclusive?: boolean;
  readonly thresholds: readonly (number | null)[]; readonly ranked: readonly number[];
  readonly warnings: readonly Sentence[]; readonly doubted: boolean;
  readonly correction: { readonly key: string; readonly title: Sentence; readonly part: Edges | null } | null;
  readonly film: SeenFilm; readonly spec: Spec;
}
/** Maps in transport: deflated int8 planes in base64. */
export interface PackedMaps {
  readonly labels: readonly string[]; readonly side: number; readonly scale: readonly number[];
  readonly limit: readonly number[]; readonly data: string; readonly unsure: string | null; readonly blurred: boolean;
}
export interface Progress {
  readonly steps?: readonly [number, number]; readonly seconds?: number; readonly forwards?: number; readonly complete?: boolean;
  readonly stopped?: Sentence | null; readonly error?: Sentence | null; readonly fidelity?: readonly (number | null)[] | null;
  readonly error_share?: readonly (number | null)[] | null; readonly missing?: readonly (number | null)[] | null; readonly expected_sum?: readonly (number | null)[] | null;
  readonly ahead?: number | null; readonly wait?: number | null;
}
export interface Line {
  readonly name: string; readonly gap: number | null; readonly deletion: readonly number[]; readonly insertion: readonly number[];
}
export interface Curves { readonly shares: readonly number[]; readonly lines: readonly Line[] }
/** Scores of maps with one content of the covers; see the Python class `CoverScores`. */
export interface CoverScores {
  readonly faithfulness: readonly (number | null)[]; readonly faithfulness_of_lungs: readonly (number | null)[];
  readonly faithfulness_limit: readonly (number | null)[];
}
export interface MethodTrust {
  readonly verdict: readonly string[]; readonly says: readonly (readonly Sentence[])[]; readonly short: readonly Sentence[];
  readonly cover: readonly string[]; readonly covers: Readonly<Record<string, CoverScores>>;
  readonly outside_lungs: readonly (number | null)[]; readonly at_border: readonly (number | null)[];
  readonly stability: readonly (number | null)[]; readonly sum: readonly (number | null)[]; readonly expected_sum: readonly (number | null)[];
}
export interface Agreement {
  readonly pair: readonly [string, string]; readonly rank: readonly (number | null)[]; readonly rankOthers: readonly (number | null)[];
  readonly top: readonly (number | null)[]; readonly topOthers: readonly (number | null)[];
}
export interface BoxMeasures {
  readonly peak: number | null; readonly energy: number | null; readonly iou: number | null; readonly ceiling: number | null;
}
/** Any answer of the server; its fields depend on the event. */
export interface Answer extends Progress {
  readonly event?: string; readonly turn?: number; readonly run?: number; readonly at?: number; readonly method?: string;
  readonly maps?: PackedMaps | null; readonly copies?: number; readonly path?: string; readonly name?: string;
  readonly choice?: { readonly name: string; readonly title: Sentence }; readonly field?: string; readonly busy?: boolean; readonly kept?: readonly (number | null)[]; readonly finding?: number;
  readonly curves?: Curves; readonly overlay?: { readonly side: number; readonly data: string } | null;
  readonly origin?: { readonly method: string; readonly side: number; readonly data: string; readonly level: number } | null;
  readonly methods?: Readonly<Record<string, MethodTrust>>; readonly agreement?: readonly Agreement[];
  readonly marker?: readonly number[]; readonly lungs?: Sentence; readonly lungs_area?: number; readonly planted?: Sentence | null;
  readonly boxes?: Readonly<Record<string, Readonly<Record<string, BoxMeasures>>>>;
  readonly failed?: string; readonly model?: boolean; readonly unreadable?: boolean; readonly members?: readonly string[]; readonly others?: number;
}

// ------------------------------------------------------------------ in the store

export interface Box { readonly label: string; readonly edges: Edges; readonly given?: boolean }
/** A box of a table, in pixels of the file or of the size `of` it; `from` names the table. */
export interface TableBox {
  readonly label: string; readonly x: number; readonly y: number; readonly w: number; readonly h: number; readonly of?: Size; readonly from: string;
}
export interface Source {
  readonly kind: 'file' | 'phantom' | 'example' | 'lesson' | 'recorded'; readonly path?: string; readonly name?: string;
  readonly member?: string; readonly key?: string; readonly correction?: string;
  readonly part?: Edges;  // of the picture as sent that the correction keeps, before it turns it
  readonly stored?: true;  // answered from the page's record
}
export interface Guess { readonly finding: number | null; readonly edges: Edges | null; readonly revealed: boolean }
/** The fetch of a film's full pixels; `ended` resolves when it succeeds or fails. */
export interface PixelFetch { readonly run: number; readonly done: boolean; readonly ended: Promise<void>; readonly end: () => void }
/** A visitor's or built-in film; `findings` has the finding last shown, by model. */
export interface Film {
  readonly name: string; readonly source: Source | null; readonly results: ReadonlyMap<string, Result>; readonly error: string | null;
  readonly busy: boolean; readonly boxes: readonly Box[]; readonly findings: ReadonlyMap<string, string>; readonly explainAnyway: boolean; readonly guess: Guess | null; readonly ticked: boolean;
  readonly compared: boolean; readonly thumb: HTMLCanvasElement | null; readonly pixels: PixelFetch | null;
}
export interface Maps {
  readonly labels: readonly string[]; readonly side: number; readonly scale: readonly number[]; readonly limit: readonly number[];
  readonly planes: Int8Array; readonly unsure: Uint8Array | null; readonly blurred: boolean;
}
/** When so many copies of a run were scored, in the page's milliseconds. */
export interface Mark { readonly at: number; readonly done: number }
export interface Entry extends Progress {
  readonly run: number; readonly state: 'running' | 'stopping' | 'stopped' | 'done'; readonly began: number; readonly settings: Settings;
  readonly at?: number; readonly since?: Mark; readonly latest?: Mark; readonly maps?: Maps; readonly before?: Entry | null;
}
export interface Overlay { readonly side: number; readonly planes: Int8Array }
/** Where a map's highest cell gets its value: places above `level` hold half of it. */
export interface Origin { readonly method: string; readonly side: number; readonly level: number; readonly values: Int8Array }
export interface Measured { readonly curves: Curves; readonly overlay: Overlay | null; readonly origin: Origin | null }
/** Measures of how far maps can be trusted: over all findings, and `measured` by finding. */
export interface Trust extends Progress {
  readonly about: string; readonly asked: string; readonly run: number; readonly state: 'running' | 'stopped' | 'done';
  readonly measured: ReadonlyMap<number, Measured>; readonly methods?: Answer['methods']; readonly agreement?: Answer['agreement'];
  readonly marker?: Answer['marker']; readonly lungs?: Sentence; readonly lungs_area?: number; readonly planted?: Sentence | null; readonly boxes?: Answer['boxes']; readonly finding?: number;
}
export interface ScrambledMap { readonly kept?: readonly (number | null)[]; readonly error?: Sentence | null; readonly maps: Maps | null }
export interface Scramble extends Progress {
  readonly run: number; readonly depth: string; readonly state: 'running' | 'stopped' | 'done'; readonly maps: ReadonlyMap<string, ScrambledMap>;
}
export interface Exporting extends Progress {
  readonly run: number; readonly state: 'running' | 'stopped' | 'done'; readonly without: string;
}
/** A model's prediction, maps and measures for a film. */
export interface Result {
  readonly film: Film; readonly seen: Prediction; readonly image: HTMLImageElement; readonly entries: ReadonlyMap<string, Entry>;
  readonly trust: Trust | null; readonly scramble: Scramble | null; readonly exporting: Exporting | null;
}

export type GridKind = 'findings' | 'settings' | 'models' | 'films';
export interface Column { readonly name: string; readonly model: string; readonly settings?: Settings; readonly film?: Film }
export interface Job { readonly method: Method; readonly column: Column; readonly k: number; readonly run: number }
export interface Cell extends Progress { readonly state: 'running' | 'stopped' | 'done'; readonly maps?: Maps | null }
/** Maps in a grid; `ran`, `film`, `source` and `model` identify the comparison of its columns and cells. */
export interface Grid {
  readonly kind: GridKind; readonly ran: GridKind | null; readonly film: Film | null; readonly source: Source | null;
  readonly model: string | null; readonly columns: readonly Column[]; readonly rows: readonly Method[];
  readonly cells: ReadonlyMap<string, Cell>; readonly jobs: readonly Job[]; readonly job: Job | null;
  readonly findings: ReadonlySet<string> | null; readonly setting: string | null;
}
/** The export of all films, one zip after another; `run` is null without an export. */
export interface Packing {
  readonly run: number | null; readonly waiting: readonly PackedFilm[]; readonly film: PackedFilm | null;
  readonly paths: readonly string[]; readonly failed: number;
}
export interface PackedFilm { readonly name: string; readonly ask: Readonly<Record<string, unknown>> }
export interface Quiz {
  readonly on: boolean; readonly said: number; readonly named: number; readonly judged: number; readonly right: number;
  readonly marked: number; readonly met: number;
}
/** A table of boxes without any open film so far. */
export interface AwaitedTable { readonly words: string; readonly stems: ReadonlySet<string> }

/** `failures` says why files were not added and `others` how many were passed over, until another film is shown; `filmBefore` was in view before `film`. */
export interface State {
  readonly page: About; readonly models: readonly Choice[]; readonly spec: Spec;
  readonly on: ReadonlySet<string>; readonly settings: ReadonlyMap<string, Settings>; readonly estimating: ReadonlyMap<string, number>;
  readonly films: readonly Film[]; readonly film: Film | null; readonly filmBefore: Film | null; readonly failures: readonly string[]; readonly others: number;
  readonly model: string; readonly modelBefore: string; readonly modelThatAnswers: string; readonly wanted: string | null; readonly naming: number;
  readonly turn: number; readonly run: number; readonly asked: ReadonlyMap<number, Question>;
  readonly chosen: number; readonly label: string; readonly other: string | null; readonly pinned: string | null; readonly pointer: Place | null;
  readonly opacity: number; readonly scale: 'own' | 'same'; readonly side: Sides; readonly palette: string; readonly smooth: boolean;
  readonly levels: readonly number[]; readonly view: View; readonly window: Window;
  readonly drawing: boolean; readonly corner: Place | null; readonly pulled: Edges | null;
  readonly table: ReadonlyMap<string, readonly TableBox[]>; readonly awaited: AwaitedTable | null;
  readonly order: { readonly by: string | null; readonly falling: boolean }; readonly beside: Film | null;
  readonly wipe: { readonly on: boolean; readonly a: string | null; readonly b: string | null; readonly at: number };
  readonly grid: Grid; readonly packing: Packing; readonly quiz: Quiz;
  readonly notes: Readonly<Record<'look' | 'box' | 'model', string>>;
}
/** A requested prediction. */
export interface Question { readonly film: Film | null; readonly model: string; readonly source: Source | null }

/** The host of the viewer: Gradio's component, or a recorded film. */
export interface Host {
  readonly element: HTMLElement; readonly props: { readonly about: { readonly languages: About['languages'] } };
  readonly trigger: (event: string, data: Readonly<Record<string, unknown>>) => void;
  readonly upload: (file: File) => Promise<{ readonly path: string }>;
}
/** Names from Python: the server's events by purpose, and the DOM event of its answers. */
export interface Names { readonly events: Readonly<Record<string, string>>; readonly channel: string }
