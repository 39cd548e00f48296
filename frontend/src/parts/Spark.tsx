import { shortCount } from '../view/numbers';

interface Props {
  /** One value per stretch of time, the oldest first. */
  values: readonly number[];
  /** What is counted, for people who hear the page. */
  label: string;
  width?: number;
  height?: number;
}

const LEAST_PX = 1.5;

/** How a count ran over time, in the size of a word. */
export function Spark({ values, label, width = 90, height = 18 }: Props) {
  const most = Math.max(1, ...values);
  const step = width / Math.max(1, values.length);
  return (
    <svg
      className="spark"
      width={width}
      height={height}
      role="img"
      aria-label={`${label}, at most ${shortCount(most)}`}
    >
      {values.map((value, index) => {
        const tall = value === 0 ? 0 : Math.max(LEAST_PX, (value / most) * height);
        return (
          <rect key={index} x={index * step} y={height - tall} width={Math.max(1, step - 1)} height={tall} rx="0.5" />
        );
      })}
    </svg>
  );
}
