// A table in text: rows of numbers, and a class of each where a column holds words.

const SEPARATORS = [",", ";", "\t"];
const MAX_ROWS = 20_000;
const MAX_COLUMNS = 200;
const MAX_CLASSES = 50;
const LABEL_NAMES = ["label", "class", "target", "species", "category", "y"];

// {columns, rows: [Float32Array], labels, classes, note}. An Error, whose message is a sentence, where there is no table.
export function readTable(text) {
  const lines = splitCells(text.replace(/^\uFEFF/, ""));
  if (lines.length < 2) throw new Error("The file holds no table: it needs a line of names and rows of numbers.");
  const hasHeader = lines[0].some((cell) => cell !== "" && !isNumber(cell)),
    width = lines[0].length,
    names = hasHeader ? lines[0] : lines[0].map((_, j) => `x${j}`);
  const body = lines.slice(hasHeader ? 1 : 0).filter((line) => line.length === width),
    { numeric, label } = sortColumns(names, body);
  if (!numeric.length) throw new Error("The file has no column of numbers. Training needs one or more.");
  const kept = body.filter((line) => numeric.every((j) => isNumber(line[j]))).slice(0, MAX_ROWS),
    leftOut = { rows: lines.length - Number(hasHeader) - kept.length, columns: width - numeric.length - (label < 0 ? 0 : 1) };
  const classes = label < 0 ? [] : [...new Set(kept.map((line) => line[label]))];
  return {
    columns: numeric.map((j) => names[j]),
    rows: kept.map((line) => Float32Array.from(numeric, (j) => Number(line[j]))),
    labels: label < 0 ? null : kept.map((line) => classes.indexOf(line[label])),
    classes,
    note: describeReading(kept.length, numeric.length, leftOut),
  };
}

// Which columns are numbers in most rows, and which one holds the classes (-1: none).
function sortColumns(names, body) {
  const shareOf = (j) => body.filter((line) => isNumber(line[j])).length / Math.max(1, body.length),
    isClass = (j) => new Set(body.map((line) => line[j])).size <= MAX_CLASSES,
    all = Array.from(names.keys());
  const named = all.find((j) => LABEL_NAMES.includes(names[j].toLowerCase()) && isClass(j)),
    label = named ?? all.find((j) => shareOf(j) < 0.5 && isClass(j)) ?? -1;
  return { numeric: all.filter((j) => j !== label && shareOf(j) >= 0.5).slice(0, MAX_COLUMNS), label };
}

function describeReading(rows, columns, leftOut) {
  const parts = [`${rows.toLocaleString("en")} rows of ${columns} columns.`];
  if (leftOut.columns) parts.push(`Left out: ${leftOut.columns} columns that hold no numbers, or are too many.`);
  if (leftOut.rows) parts.push(`Left out: ${leftOut.rows.toLocaleString("en")} rows with missing cells, or too many.`);
  return parts.join(" ");
}

function isNumber(cell) {
  return cell !== "" && Number.isFinite(Number(cell));
}

// Lines of cells; a cell in double quotes may hold separators, line breaks and doubled quotes.
function splitCells(text) {
  const firstLine = text.slice(0, text.search(/[\r\n]|$/)),
    counts = SEPARATORS.map((separator) => firstLine.split(separator).length),
    separator = SEPARATORS[counts.indexOf(Math.max(...counts))];
  const lines = [];
  let line = [],
    cell = "",
    quoted = false;
  const endCell = () => {
    line.push(cell.trim());
    cell = "";
  };
  const endLine = () => {
    endCell();
    if (line.some((value) => value !== "")) lines.push(line);
    line = [];
  };
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted && letter === '"' && text[i + 1] === '"') cell += text[i++];
    else if (letter === '"') quoted = !quoted;
    else if (quoted) cell += letter;
    else if (letter === separator) endCell();
    else if (letter === "\n" || letter === "\r") endLine();
    else cell += letter;
  }
  endLine();
  return lines;
}
