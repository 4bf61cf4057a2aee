/**
 * `deno run -A dev/bench/growth_chart.ts [FILE ...]`: draws docs/growth.svg from the tables that dev/bench/many_elections.ts and dev/bench/many_candidates.ts
 * print, wherever they stand in the files; in docs/performance.md, if none is named.
 */

/** A curve: the table whose first column has this name, another column of it, and what the curve is called. */
type Curve = readonly [table: "elections" | "candidates", column: string, name: string];

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly x: string;
  readonly curves: readonly Curve[];
}

/** Where an axis begins and ends, as logarithms. */
interface Range {
  readonly from: number;
  readonly to: number;
}

type Point = readonly [x: number, y: number];

const PANELS: readonly Panel[] = [
  {
    title: "Many elections: start and stop",
    unit: "ms",
    x: "elections",
    curves: [["elections", "until all lead, ms", "all lead"], ["elections", "all stopped, ms", "all stopped"]],
  },
  {
    title: "Many elections: CPU while idle",
    unit: "% of a core",
    x: "elections",
    curves: [["elections", "CPU, % of a core", "process"], ["elections", "etcd's CPU, %", "etcd"]],
  },
  {
    title: "Memory of the process",
    unit: "MB",
    x: "elections or candidates",
    curves: [["elections", "RSS, MB", "elections"], ["candidates", "RSS, MB", "candidates"]],
  },
  {
    title: "Many candidates: join and leave",
    unit: "ms",
    x: "candidates",
    curves: [
      ["candidates", "all queued, ms", "all queued"],
      ["candidates", "all know the leader, ms", "all know"],
      ["candidates", "all have left, ms", "all left"],
    ],
  },
  {
    title: "Many candidates: a handoff",
    unit: "ms",
    x: "candidates",
    curves: [["candidates", "next leads, ms", "next leads"], ["candidates", "all know the next, ms", "all know"]],
  },
  {
    title: "Many candidates: CPU of etcd",
    unit: "ms",
    x: "candidates",
    curves: [
      ["candidates", "etcd's CPU to join, ms", "to join"],
      ["candidates", "etcd's CPU for a handoff, ms", "a handoff"],
      ["candidates", "etcd's CPU to leave, ms", "to leave"],
    ],
  },
];

/** Okabe and Ito's blue, vermilion and green, which the colour-blind tell apart too. */
const COLORS = ["#0072b2", "#d55e00", "#009e73"];
const [GREY, GRID] = ["#59636e", "#e4e8ec"];
const [COLUMNS, CELL_WIDTH, CELL_HEIGHT] = [3, 312, 250];
/** Where the axes are in a cell; the names of the curves stand on the right. */
const [LEFT, TOP, WIDTH, HEIGHT] = [48, 50, 150, 150];
const X_DECADES = 3;
/** What is left free above and below the curves, in decades. */
const FREE = 0.15;
const LINE_HEIGHT = 14;

/** What makes no picture, in a line for the user. */
export class NoChartError extends Error {}

/** The rows of the first table in the text that has these two columns, the first of all and another. */
function readCurve(text: string, [table, column]: Curve): Point[] {
  const cells = (line: string) => line.split("|").slice(1, -1).map((cell) => cell.trim());
  const lines = text.split("\n").map((line) => line.trim());
  const header = lines.findIndex((line) => cells(line)[0] === table && cells(line).includes(column));
  if (header < 0) {
    const bench = table === "elections" ? "many" : "crowd";
    throw new NoChartError(
      `there is no table of "${table}" with "${column}": expected what bench/${bench}.ts prints`,
    );
  }
  const rows = lines.slice(header + 2);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  const index = cells(lines[header]!).indexOf(column);
  const points = (end < 0 ? rows : rows.slice(0, end)).map(cells).map((row) => [Number(row[0]), Number(row[index])]);
  // Zero has no place on a logarithmic axis.
  return (points as [number, number][]).filter(([, y]) => y > 0);
}

/** Draws the tables in a text. */
export function growthChart(text: string): string {
  const panels = PANELS.map((panel) => ({ ...panel, data: panel.curves.map((curve) => readCurve(text, curve)) }));
  const range = (unit: string): Range => {
    const values = panels.filter((panel) => panel.unit === unit).flatMap(({ data }) => data.flat().map(([, y]) => y));
    return { from: Math.log10(Math.min(...values)), to: Math.log10(Math.max(...values)) };
  };
  // Panels of a unit have the same axis, and all as many decades: the same slope is the same growth.
  const decades = 2 * FREE + Math.max(...panels.map(({ unit }) => range(unit).to - range(unit).from));
  const drawn = panels.map((panel, index) => {
    const [x, y] = [CELL_WIDTH * (index % COLUMNS), CELL_HEIGHT * Math.floor(index / COLUMNS)];
    const { from, to } = range(panel.unit);
    const middle = (from + to) / 2;
    const lines = drawPanel(panel, { from: middle - decades / 2, to: middle + decades / 2 });
    return [`  <g transform="translate(${x} ${y})">`, ...lines.map((line) => `    ${line}`), "  </g>"].join("\n");
  });
  const [width, height] = [CELL_WIDTH * COLUMNS, CELL_HEIGHT * Math.ceil(PANELS.length / COLUMNS)];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif"
  font-size="12" fill="#1f2328">
  <title>What grows with the number of elections in a process, and of candidates in an election</title>
  <rect width="100%" height="100%" rx="6" fill="#ffffff" />
${drawn.join("\n")}
</svg>
`;
}

function drawPanel(panel: Panel & { data: readonly Point[][] }, { from, to }: Range): string[] {
  const x = (value: number) => LEFT + WIDTH * Math.log10(value) / X_DECADES;
  const y = (value: number) => TOP + HEIGHT * (to - Math.log10(value)) / (to - from);
  const [right, bottom] = [LEFT + WIDTH, TOP + HEIGHT];
  const lines = [
    write({ x: LEFT, y: 20, "font-size": 13, "font-weight": 600 }, panel.title),
    write({ x: LEFT, y: 37, fill: GREY }, panel.unit),
    write({ x: LEFT + WIDTH / 2, y: bottom + 34, "text-anchor": "middle", fill: GREY }, panel.x),
  ];
  for (let decade = 0; decade <= X_DECADES; decade++) {
    const at = x(10 ** decade);
    lines.push(
      draw("path", { d: `M${number(at)} ${TOP}V${bottom}`, stroke: GRID }),
      write({ x: at, y: bottom + 17, "text-anchor": "middle" }, number(10 ** decade)),
    );
  }
  for (let decade = Math.ceil(from); decade <= to; decade++) {
    const at = y(10 ** decade);
    lines.push(
      draw("path", { d: `M${LEFT} ${number(at)}H${right}`, stroke: GRID }),
      write({ x: LEFT - 6, y: at + 4, "text-anchor": "end" }, String(Number((10 ** decade).toPrecision(1)))),
    );
  }
  const curves = panel.data.map((points, index) => ({ points, color: COLORS[index]!, name: panel.curves[index]![2] }));
  for (const { points, color } of curves) {
    const path = points.map(([one, other]) => `${number(x(one))} ${number(y(other))}`).join("L");
    lines.push(draw("path", { d: `M${path}`, fill: "none", stroke: color, "stroke-width": 2 }));
    for (const [one, other] of points) lines.push(draw("circle", { cx: x(one), cy: y(other), r: 3, fill: color }));
  }
  const namesAt = 8 + Math.max(...panel.data.flat().map(([one]) => x(one)));
  const names = curves.flatMap(({ points, color, name }) => {
    const last = points.at(-1);
    return last ? [{ x: namesAt, y: y(last[1]), fill: color, text: `${name}: ${last[1]}` }] : [];
  });
  return [...lines, ...apart(names).map(({ text, ...at }) => write({ ...at, y: at.y + 4 }, text))];
}

type Attributes = Readonly<Record<string, string | number>>;

function draw(element: string, attributes: Attributes): string {
  return `<${element}${attributesText(attributes)} />`;
}

function write(attributes: Attributes, text: string): string {
  return `<text${attributesText(attributes)}>${text}</text>`;
}

function attributesText(attributes: Attributes): string {
  const text = (value: string | number) => typeof value === "number" ? number(value) : value;
  return Object.entries(attributes).map(([name, value]) => ` ${name}="${text(value)}"`).join("");
}

/** A tenth of a pixel is enough. */
function number(value: number): string {
  return String(Number(value.toFixed(1)));
}

/** Moves names up where they would stand on one another. */
function apart<Name extends { readonly y: number }>(names: readonly Name[]): Name[] {
  let ceiling = Infinity;
  return names.toSorted((a, b) => b.y - a.y).map((name) => {
    ceiling = Math.min(name.y, ceiling - LINE_HEIGHT);
    return { ...name, y: ceiling };
  });
}

if (import.meta.main) {
  const docs = new URL("../../docs/", import.meta.url);
  const files = Deno.args.length > 0 ? Deno.args : [new URL("performance.md", docs)];
  try {
    const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
    await Deno.writeTextFile(new URL("growth.svg", docs), growthChart(texts.join("\n")));
  } catch (error) {
    if (!(error instanceof NoChartError || error instanceof Deno.errors.NotFound)) throw error;
    console.error(`picture: ${error.message}`);
    Deno.exit(2);
  }
}
