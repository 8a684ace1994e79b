// The icons of the page.
const paths = {
  overview: 'M4 13h4l2.5-7 4 13 2.5-6h3',
  servers: 'M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01',
  routes: 'M5 5v5a4 4 0 0 0 4 4h10M15 10l4 4-4 4M5 5V4',
  requests: 'M4 7h11M12 4l3 3-3 3M20 17H9M12 14l-3 3 3 3',
  certificates: 'M12 3l7 3v5c0 4.5-3 8-7 10-4-2-7-5.5-7-10V6zM9 12l2 2 4-4',
  cluster: 'M12 4v5M12 9l-6 7M12 9l6 7M10 4h4M4 18h4M16 18h4',
  events: 'M5 6h14M5 12h14M5 18h9',
  explain: 'M12 17h.01M9.2 9a3 3 0 1 1 4.6 2.5c-1.2.8-1.8 1.4-1.8 2.5M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18',
  plugins: 'M9 4v4M15 4v4M6 8h12v4a6 6 0 0 1-12 0zM12 18v3',
  sun: 'M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  plus: 'M12 5v14M5 12h14',
  more: 'M12 6h.01M12 12h.01M12 18h.01',
  close: 'M6 6l12 12M18 6L6 18',
  search: 'M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14M16.5 16.5L20 20',
  out: 'M14 4h5v16h-5M4 12h11M11 8l4 4-4 4',
  check: 'M5 12l5 5L19 7',
  warning: 'M12 4l9 16H3zM12 10v4M12 17h.01',
  down: 'M6 9l6 6 6-6',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
