// Ten shapes to begin with, as one would draw them: lines on a field of 168 pixels a side.

const SHAPES = {
  circle: "M84 34a50 50 0 1 0 .1 0z",
  square: "M40 40h88v88h-88z",
  triangle: "M84 34 134 130H34z",
  cross: "M40 40 128 128M128 40 40 128",
  plus: "M84 32v104M32 84h104",
  arrow: "M30 84h104M96 44l40 40-40 40",
  wave: "M24 84c20-60 40-60 60 0s40 60 60 0",
  heart: "M84 136C20 88 36 36 84 66c48-30 64 22 0 70z",
  spiral: "M84 84c6-16 28-2 18 14s-44 18-48-12 36-56 66-36 20 76-14 88",
  bolt: "M96 28 48 92h36l-12 50 50-66H84z",
};

// [{name, values}]; ink: an Ink, on whose field they are drawn.
export function drawShapes(ink) {
  const shapes = Object.entries(SHAPES).map(([name, line]) => {
    ink.pad.clear();
    ink.pad.pen.stroke(new Path2D(line));
    return { name, values: ink.readValues() };
  });
  ink.pad.clear();
  return shapes;
}
