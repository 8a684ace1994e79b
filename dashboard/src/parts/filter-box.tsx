// The filter box of a list; `/` focuses it.
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './icon.tsx';

interface FilterBoxProps {
  readonly value: string;
  readonly hint: string;
  readonly onChange: (value: string) => void;
}

export function FilterBox({ value, hint, onChange }: FilterBoxProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const { target } = event;
      const isTyping = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
      if (event.key !== '/' || isTyping) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  return (
    <label class="search">
      <Icon name="search" />
      <span class="unseen">Filter</span>
      <input
        ref={input}
        type="search"
        placeholder={hint}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </label>
  );
}
