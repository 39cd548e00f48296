import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { shortCount } from '../view/numbers';
import { usePreferences, type Preferences } from '../view/preferences';
import { clock, day } from '../view/time';
import { stacked, stretchAt, type Bars } from './timeBars';

interface Props {
  bars: Bars;
  /** What it shows, for people who hear the page. */
  label: string;
  height: number;
  /** Hears which stretch is pointed at; null for none. */
  onPoint?: ((index: number | null) => void) | undefined;
  /** Hears which time was drawn over, µs UTC. */
  onPick?: ((since: number, until: number) => void) | undefined;
}

const US_PER_S = 1_000_000;
const DAY_S = 86_400;
const DRAWN_PX = 6;
const WIDEST_PX = 42;
const AXIS_FONT = '11px system-ui, sans-serif';

/** Stacked bars over time. Drawing over a stretch picks it. */
export function TimeBars({ bars, label, height, onPoint, onPick }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const told = useRef({ bars, onPoint, onPick });
  const { zone, theme } = usePreferences();
  const look = JSON.stringify([bars.series.map(({ colour }) => colour), bars.length_s, height, zone, theme]);

  useEffect(() => {
    told.current = { bars, onPoint, onPick };
    plot.current?.setData(dataOf(bars));
  }, [bars, onPoint, onPick]);

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const now = () => told.current;
    const made = new uPlot(optionsOf(element, now, zone, height), dataOf(now().bars), element);
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => made.redraw();
    dark.addEventListener('change', redraw);
    return () => {
      sized.disconnect();
      dark.removeEventListener('change', redraw);
      made.destroy();
      plot.current = null;
    };
  }, [look, zone, height]);

  return <div ref={place} className="time-bars" role="img" aria-label={label} style={{ height }} />;
}

function dataOf(bars: Bars): uPlot.AlignedData {
  return [[...bars.starts], ...stacked(bars.series, bars.starts.length)];
}

type Told = () => Pick<Props, 'bars' | 'onPoint' | 'onPick'>;

function optionsOf(element: HTMLElement, told: Told, zone: Preferences['zone'], height: number): uPlot.Options {
  const ink = () => getComputedStyle(element).color;
  const line = () => getComputedStyle(element).borderTopColor;
  const ground = () => getComputedStyle(element).backgroundColor;
  const paths = uPlot.paths.bars?.({ size: [0.92, WIDEST_PX], align: 1 });
  const axis = { stroke: ink, font: AXIS_FONT, ticks: { show: false } } satisfies uPlot.Axis;
  return {
    width: Math.max(1, element.clientWidth),
    height,
    padding: [6, 8, 0, 0],
    legend: { show: false },
    ...(zone === 'utc' && { tzDate: (s: number) => uPlot.tzDate(new Date(s * 1000), 'UTC') }),
    scales: {
      x: {
        time: true,
        range: () => [told().bars.starts[0] ?? 0, (told().bars.starts.at(-1) ?? 0) + told().bars.length_s],
      },
      y: { range: (_, __, most) => [0, Math.max(1, most * 1.06)] },
    },
    axes: [
      { ...axis, size: 26, space: 64, grid: { show: false }, values: (_, at) => at.map((s) => momentName(s, zone)) },
      {
        ...axis,
        size: 42,
        space: 28,
        grid: { stroke: line, width: 1 },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7],
        values: (_, at) => at.map(shortCount),
      },
    ],
    series: [
      {},
      ...told()
        .bars.series.toReversed()
        .map(({ name, colour }) => ({
          label: name,
          fill: colour,
          stroke: ground,
          width: 1,
          points: { show: false },
          ...(paths && { paths }),
        })),
    ],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    hooks: {
      setCursor: [
        (made) => {
          const { left = -1 } = made.cursor;
          told().onPoint?.(left < 0 ? null : stretchAt(told().bars, made.posToVal(left, 'x')));
        },
      ],
      setSelect: [
        (made) => {
          const { left, width } = made.select;
          if (width < DRAWN_PX) return;
          const [since, until] = [made.posToVal(left, 'x'), made.posToVal(left + width, 'x')];
          made.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          told().onPick?.(Math.round(since) * US_PER_S, Math.round(until) * US_PER_S);
        },
      ],
    },
  };
}

/** `14:00`; at midnight `11-23`. */
function momentName(s: number, zone: Preferences['zone']): string {
  const hour = clock(s * US_PER_S, zone).slice(0, 5);
  return hour === '00:00' || s % DAY_S === 0 ? day(s * US_PER_S, zone).slice(5) : hour;
}
