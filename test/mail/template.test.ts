/** Templates of an operator's own: what is understood, what is refused with its line, and that no value gets out of its place. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { compileHtmlTemplate } from '../../src/mail/html-template.ts';
import { plainTextOf } from '../../src/mail/plain-text.ts';
import { TemplateMistake } from '../../src/mail/template.ts';
import { exampleMail } from './outbox.ts';

const data = {
  name: 'Ann',
  lang: 'fr',
  list: ['a', 'b'],
  nested: { deep: 1 },
  none: null,
  zero: 0,
  empty: '',
  yes: true,
};

function render(template: string, Data: Record<string, unknown> = data): string {
  return compileHtmlTemplate(template)({ ...exampleMail('confirmation').variables, Data });
}

describe('is understood', () => {
  test.each([
    // Fields
    ['{{ .Token }} {{.Email}}', '482913 ann@example.com'],
    ['{{ .Data.name }}{{ .Data.nested.deep }}', 'Ann1'],
    ['{{ .Data.missing }}{{ .Data.none }}{{ .Data.list }}{{ .NoSuch.at.all }}|', '|'],
    ['{{ .Data.yes }} {{ .Data.zero }}', 'true 0'],
    ['{{ $.Token }} {{ (.Token) }}', '482913 482913'],
    // Blanks
    ['a \n {{- .Data.name -}} \n b', 'aAnnb'],
    ['a {{- /* nothing */ -}} b', 'ab'],
    ['{{/* a comment\nof two lines */}}x', 'x'],
    // Conditions
    ['{{ if .Data.name }}yes{{ else }}no{{ end }}', 'yes'],
    ['{{ if .Data.empty }}yes{{ else if .Data.zero }}zero{{ else }}no{{ end }}', 'no'],
    ['{{if eq .Data.lang "de"}}Hallo{{else if eq .Data.lang "fr" "be"}}Bonjour{{else}}Hello{{end}}', 'Bonjour'],
    ['{{ if and .Data.name (not .Data.empty) }}yes{{ end }}', 'yes'],
    ['{{ if or .Data.empty .Data.zero .Data.none }}yes{{ end }}|', '|'],
    ['{{ if and .Data.missing .Data.name }}yes{{ end }}|{{ and .Data.missing .Data.name }}|', '||'],
    [
      '{{ and .Data.name .Data.zero .Data.yes }} {{ and .Data.name .Data.lang }} {{ or .Data.zero .Data.empty }}|',
      '0 fr |',
    ],
    ['{{ if ne .Data.lang "en" }}other{{ end }}', 'other'],
    ['{{ if eq .Data.missing "x" }}yes{{ end }}|', '|'],
    ['{{ if eq .Data.zero 0 }}zero{{ end }}{{ if eq .Data.yes true }}yes{{ end }}', 'zeroyes'],
    ['{{ with .Data.nested }}{{ .deep }}{{ $.Token }}{{ end }}', '1482913'],
    ['{{ with .Data.none }}x{{ else }}nothing{{ end }}', 'nothing'],
    // Functions and pipes
    ['{{ or .Data.missing "you" }}', 'you'],
    [
      '{{ .Data.lang | eq "fr" }} {{ len .Data.list }} {{ index .Data.list 1 }} {{ index .Data "name" }}',
      'true 2 b Ann',
    ],
    ['{{ if .Data.list }}{{ if .Data.nested }}both{{ end }}{{ end }}', 'both'],
    ['{{ `{{` }} {{ "}}" }}', '{{ }}'],
  ])('%s', (template, expected) => {
    expect(render(template)).toBe(expected);
  });

  it('as Supabase’s own templates have it', () => {
    expect(
      render(`<h2>Confirm your signup</h2>

<p>Follow this link to confirm your user:</p>
<p><a href="{{ .ConfirmationURL }}">Confirm your mail</a></p>
<p>or <a href="{{ .SiteURL }}/auth/confirm?token_hash={{ .TokenHash }}&type=email&next={{ .RedirectTo }}">here</a>: {{ .Token }}</p>`),
    ).toBe(`<h2>Confirm your signup</h2>

<p>Follow this link to confirm your user:</p>
<p><a href="https://auth.example.com/verify?token=t&amp;type=signup&amp;redirect_to=https://portal.example.com">Confirm your mail</a></p>
<p>or <a href="https://portal.example.com/auth/confirm?token_hash=t&type=email&next=https%3A%2F%2Fportal.example.com">here</a>: 482913</p>`);
  });

  it('with what is not the template’s left as it is, but for comments', () => {
    const html =
      '<!doctype html>\n<style>@media (a) { b { c: d } }</style><title>x &amp; y</title>\n<td{{ if .Token }} class="x"{{ end }}>1 < 2</td><br/>';
    expect(render(html)).toBe(html.replace('{{ if .Token }}', '').replace('{{ end }}', ''));
    expect(render('a<!-- b {{ .Token }} -->c<!--[if mso]><p>d</p><![endif]-->e')).toBe('ace');
  });
});

describe('is refused, with its line', () => {
  test.each([
    ['{{ range .Data.list }}{{ end }}', /^line 1: "range" is not supported: there are if, else, with, end, eq, /],
    ['\n\n<p>{{ printf "%s" .Token }}</p>', /^line 3: "printf" is not supported/],
    ['{{ template "x" }}', /"template"/],
    ['{{ define "x" }}{{ end }}', /"define"/],
    ['{{ .Token | html }}', /"html"/],
    ['{{ call .Token }}', /"call"/],
    ['{{ constructor }}', /"constructor"/],
    ['{{ toString .Token }}', /"toString"/],
    ['{{ $x := .Token }}', /not supported/],
    ['{{ .Token.Format() }}', /not supported/],
    ['{{ .Data["name"] }}', /not supported/],
    ['{{ .Token }', /\{\{ has no \}\}/],
    ['a\n{{', /^line 2: \{\{ has no \}\}/],
    ['{{ }}', /is empty/],
    ['{{ if }}x{{ end }}', /a value is missing/],
    ['\n{{ if .Token }}\n\n', /^line 2: \{\{ if \}\} has no \{\{ end \}\}/],
    ['x\n{{ end }}', /^line 2: \{\{ end \}\} without/],
    ['{{ else }}', /\{\{ else \}\} without/],
    ['{{ if .Token }}a{{ else }}b{{ else }}c{{ end }}', /a second \{\{ else \}\}/],
    ['{{ eq .Token }}', /eq has 1 arguments/],
    ['{{ .Token .Email }}', /".Email" is not supported here/],
    ['{{ .Token | .Email }}', /after \| stands a function/],
    ['{{ (.Token }}', /\( has no \)/],
    ['{{ "\\x" }}', /escape/],
    [`${'{{ if .Token }}'.repeat(60)}${'{{ end }}'.repeat(60)}`, /more than 50 conditions/],
    [`{{ ${'('.repeat(60)}.Token${')'.repeat(60)} }}`, /too many brackets/],
    ['a\0b', /NUL/],
    // Places where no value is safe
    ['<script>let token = "{{ .Token }}"</script>', /inside <script>/],
    ['<style>p { color: {{ .Data.color }} }</style>', /inside <style>/],
    ['\n<p style="color: {{ .Data.color }}">', /^line 2: .* the attribute style/],
    ['<a onclick="go({{ .Token }})">', /the attribute onclick/],
    ['<img srcset="{{ .Data.a }}">', /the attribute srcset/],
    ['<iframe srcdoc="{{ .Data.a }}">', /the attribute srcdoc/],
    ['<meta http-equiv="refresh" content="0;url={{ .Data.a }}">', /the attribute content/],
    ['<p {{ .Data.attribute }}>', /inside a tag/],
    ['<p {{ .Data.attribute }}="x">', /inside a tag/],
    ['<p ="{{ .Data.attribute }}">', /attribute/],
    ['<h{{ .Data.level }}>', /inside a tag/],
    ['<{{ .Data.tag }}>', /cut off/],
    ['</{{ .Data.tag }}>', /cut off/],
    ['<!-{{ .Data.tag }}>', /cut off/],
    ['<a href="javascript:go(\'{{ .Token }}\')">', /a program/],
    ['<a href="{{ .Data.a }}script:x">', /part of the scheme/],
    ['<a href="{{ .Data.a }}:x">', /part of the scheme/],
    // Conditions that leave one elsewhere
    ['<a {{ if .Token }}href="{{ end }}x">', /end in different places/],
    ['{{ if .Token }}<script>{{ end }}{{ .Token }}', /end in different places/],
    ['<s{{ if .Token }}cript{{ end }}>{{ .Token }}', /end in different places/],
    ['<p title="x', /the end is inside the attribute title of <p>/],
    ['<!-- x', /inside a comment/],
  ])('%s', (template, sentence) => {
    expect(() => compileHtmlTemplate(template)).toThrow(TemplateMistake);
    expect(() => compileHtmlTemplate(template)).toThrow(sentence);
  });
});

// Template injection and cross-site scripting: whoever signs up chooses their metadata, and the mail goes to somebody else.
describe('values stay in their place', () => {
  const evil = `"'><script>alert(1)</script>{{ .TokenHash }}&amp;`;

  it('as text, in an attribute of either quote and without any, in a title', () => {
    const html = '&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;{{ .TokenHash }}&amp;amp;';
    for (const [before, after] of [
      ['<p>', '</p>'],
      ['<p title="', '">'],
      ["<p title='", "'>"],
      ['<title>', '</title>'],
      ['<textarea>', '</textarea>'],
    ] as const) {
      expect(render(`${before}{{ .Data.name }}${after}`, { name: evil })).toBe(before + html + after);
    }
    // With nothing there, the next attribute would be its value, and what stands in that one would be attributes.
    const withNext = '<a title={{ .Data.none }} alt="{{ .Data.name }}">';
    expect(render(withNext, { name: 'x href=//evil.example' })).toBe('<a title=&#32; alt="x href=//evil.example">');
    expect(render('<p title={{ .Data.none }}{{ .Data.name }}px>', { name: 'a' })).toBe('<p title=&#32;apx>');
    expect(render('<p title={{ .Data.name }}>', { name: 'a b>c=`"' })).toBe('<p title=a&#32;b&#62;c&#61;&#96;&#34;>');
  });

  test.each([
    'javascript:alert(1)',
    ' JavaScript:alert(1)',
    'java\tscript:alert(1)',
    'java\nscript:alert(1)',
    '\u0001javascript:alert(1)',
    'vbscript:x',
    'data:text/html,<script>alert(1)</script>',
    'blob:https://x',
    'file:///etc/passwd',
  ])('no address is %j', (url) => {
    expect(render('<a href="{{ .Data.url }}">', { url })).toBe('<a href="#">');
    expect(render("<a href=' {{ .Data.url }}'>", { url })).toBe("<a href=' #'>");
    expect(render('<form action={{ .Data.url }}>', { url })).toBe('<form action=&#35;>');
    expect(render('<img data-src="{{ .Data.url }}">', { url })).toBe('<img data-src="#">');
    expect(render('<use xlink:href="{{ .Data.url }}">', { url })).toBe('<use xlink:href="#">');
  });

  it('no address is made dangerous out of two values', () => {
    expect(render('<a href="{{ .Data.a }}{{ .Data.b }}">', { a: 'java', b: 'script:alert(1)' })).toBe(
      '<a href="java#">',
    );
    expect(render('<a href="{{ .Data.a }}{{ .Data.b }}">', { a: 'javascript', b: ':alert(1)' })).toBe(
      '<a href="javascript#">',
    );
  });

  it('an address keeps its parts', () => {
    const link = (template: string) => render(`<a href="${template}">`, { v: 'a b&c=d#e/é"%' });
    expect(link('/x/{{ .Data.v }}')).toBe('<a href="/x/a%20b&amp;c=d#e/%C3%A9%22%25">');
    expect(link('/x?y={{ .Data.v }}&z')).toBe('<a href="/x?y=a%20b%26c%3Dd%23e%2F%C3%A9%22%25&z">');
    expect(link('/x#{{ .Data.v }}')).toBe('<a href="/x#a%20b%26c%3Dd%23e%2F%C3%A9%22%25">');
    expect(link('mailto:{{ .Data.v }}')).toBe('<a href="mailto:a%20b&amp;c=d#e/%C3%A9%22%25">');
  });

  it('nobody reaches what every object inherits', () => {
    expect(
      render('{{ .Data.constructor.name }}{{ .__proto__ }}{{ index .Data "toString" }}{{ .Data.list.length }}|'),
    ).toBe('|');
  });

  it('whatever they are, in any of these places', () => {
    const template = compileHtmlTemplate(
      '<p title="{{ .v }}" id={{ .v }}>{{ .v }}</p><a href="{{ .v }}">x</a><a href="/?a={{ .v }}">y</a>',
    );
    const shape =
      /^<p title="[^"<>]*" id=[^\s"'<>]*>[^<>]*<\/p><a href="[^"<>\s]*">x<\/a><a href="\/\?a=[^"<>\s&=]*">y<\/a>$/;
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (v) => {
        // The one named entity that a query may hold.
        expect(template({ v }).replaceAll('&#39;', '')).toMatch(shape);
      }),
      { numRuns: 2000 },
    );
  });

  it('any text at all is a template, or a mistake', () => {
    const parts = [
      '{{',
      '}}',
      ' if ',
      ' end ',
      ' else ',
      ' .Token ',
      ' . ',
      '"',
      '`',
      '(',
      ')',
      '|',
      'eq',
      '<a ',
      'href=',
      "'",
      '>',
      '<!--',
      '-->',
      '-',
      '/*',
      '\n',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 25 }), (list) => {
        try {
          compileHtmlTemplate(list.join(''))({ Token: '<"\'>' });
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateMistake);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe('what a mail of HTML says as text', () => {
  test.each([
    ['<h1>Hello</h1><p>One<br>two &amp; three</p>', 'Hello\n\nOne\ntwo & three\n'],
    ['<head><title>x</title></head><style>p > a { }</style><p>a</p>', 'a\n'],
    [
      '<p><a class="b" href="https://x.example/?a=1&amp;b=2">Confirm <b>it</b></a></p>',
      'Confirm it: https://x.example/?a=1&b=2\n',
    ],
    ["<a href='https://x.example'>https://x.example</a>", 'https://x.example\n'],
    ['<ul><li>a</li><li>b</li></ul>c', '- a\n- b\n\nc\n'],
    ['<table><tr><td>a</td></tr>\n\n<tr><td title="x > y">b&#39;&nbsp;&#x43;</td></tr></table>', "a\nb' C\n"],
    ['&lt;b&gt; &#0;&#1114112;&unknown; &amp;lt;', '<b> &unknown; &lt;\n'],
  ])('%s', (html, text) => {
    expect(plainTextOf(html)).toBe(text);
  });
});
