// Scales for pictures.
const tickText = (tick) => (tick > 0 && tick < 0.001 ? tick.toExponential() : String(tick));

// About five round numbers from 0 to high.
function roundTicks(high) {
  const unit = 10 ** Math.floor(Math.log10(high));
  const step = [0.1, 0.2, 0.5, 1, 2, 5].map((size) => size * unit).find((size) => high / size <= 5);
  return Array.from({ length: Math.floor(high / step) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

// Maps a value to a height between 0 and 1, with ticks. Logarithmic on request, or by default if the largest value
// is at least 20 times the smallest.
function axis(values, atLeast, wanted = null) {
  const positive = values.filter((value) => value > 0);
  const high = Math.max(atLeast, ...positive, Number.MIN_VALUE) * 1.12;
  const low = Math.min(high, ...positive) / 1.5;
  if (!(wanted ?? high / low >= 20)) {
    return { log: false, ticks: roundTicks(high), height: (value) => Math.max(0, value / high) };
  }
  const span = Math.log(high / low);
  const marks = span > Math.log(10) * 2.5 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const mark of marks) ticks.push(Number(`${mark}e${power}`));
  }
  return {
    log: true,
    ticks: ticks.filter((tick) => tick >= low && tick <= high),
    height: (value) => (value > 0 ? Math.max(0, Math.log(value / low) / span) : 0),
  };
}
