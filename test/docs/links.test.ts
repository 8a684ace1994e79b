// The links of all pages, in the checkout and in the package.
import * as assert from 'uvu/assert';
import { brokenLinks, pages, unpublishedLinks } from '../support/doc-links.ts';
import { suite } from '../support/suite.ts';

const test = suite('the links of the documentation');

test('lead to files and headings that are there', () => {
  assert.ok(pages.length > 40, `${pages.length} pages`);
  assert.equal(
    pages.map(page => [page, brokenLinks(page)] as const).filter(([, links]) => links.length > 0),
    [],
  );
});

test('lead to files that are published', () => {
  assert.equal(
    pages.map(page => [page, unpublishedLinks(page)] as const).filter(([, links]) => links.length > 0),
    [],
  );
});
