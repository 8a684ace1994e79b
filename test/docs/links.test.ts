// The links of all pages, in the checkout and in the package, and the source files that they name.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { brokenLinks, missingSources, pages, unpublishedLinks } from './doc-links.ts';

const test = suite('the links of the documentation');

test('lead to existing files and headings', () => {
  assert.ok(pages.length > 40, `${pages.length} pages`);
  assert.equal(
    pages.map(page => [page, brokenLinks(page)] as const).filter(([, links]) => links.length > 0),
    [],
  );
});

test('lead to published files', () => {
  assert.equal(
    pages.map(page => [page, unpublishedLinks(page)] as const).filter(([, links]) => links.length > 0),
    [],
  );
});

test('are joined by names of existing source files', () => {
  assert.equal(
    pages.map(page => [page, missingSources(page)] as const).filter(([, paths]) => paths.length > 0),
    [],
  );
});
