/**
 * Templates of HTML: every value is escaped by the place that it comes to, as Go's html/template does it. Between tags and in
 * attributes it is text; in an attribute that is an address it is one of the web's or of a mailbox, or nothing; inside of it, it
 * is one part of its query. A value where no escaping is safe (scripts, styles, names of tags) is a mistake of the template.
 * Comments are left out.
 *
 * @see https://pkg.go.dev/html/template
 */
import { type Node, parseTemplate, renderTemplate, TemplateMistake } from './template.ts';

export type HtmlTemplate = (variables: object) => string;

/**
 * Reads a template, and finds out before anything is sent whether each of its values can be made safe.
 *
 * @throws TemplateMistake
 */
export function compileHtmlTemplate(source: string): HtmlTemplate {
  const nodes = parseTemplate(source);
  const end = check(nodes, between);
  if (end.at !== 'text') throw new TemplateMistake(source.split('\n').length, `the end is inside ${placeOf(end)}.`);

  return (variables) => {
    const out: string[] = [];
    let place: Place = between;
    renderTemplate(nodes, variables, {
      text(text) {
        const [then, kept] = advance(place, text);
        place = then;
        out.push(kept);
      },
      value(text) {
        const [then, escaped] = put(place, text);
        place = then;
        out.push(escaped);
      },
    });
    return out.join('');
  };
}

/** Where in the HTML one is. */
interface Place {
  at: 'text' | 'comment' | 'tag name' | 'tag' | 'name' | 'before value' | 'value' | 'escapable' | 'raw';
  /** The element whose tag this is, or whose text. */
  element: string;
  attribute: string;
  quote: '"' | "'" | '';
  /** What an attribute holds so far. */
  held: string;
}

const between: Place = { at: 'text', element: '', attribute: '', quote: '', held: '' };
/** Stands for a value where only the template is looked at: no template can hold it. */
const A_VALUE = '\0';

/** Their text is not markup; in the first two, entities still are. */
const escapable = new Set(['title', 'textarea']);
const raw = new Set(['script', 'style', 'iframe', 'noembed', 'noframes', 'noscript', 'xmp', 'plaintext']);
const addresses = new Set(
  'action archive background cite classid codebase data formaction href icon longdesc manifest ping poster profile src usemap'.split(
    ' ',
  ),
);

type AttributeKind = 'plain' | 'address' | 'unsafe';

function kindOf({ element, attribute }: Place): AttributeKind {
  const name = attribute
    .toLowerCase()
    .replace(/^data-/, '')
    .replace(/^(?!xmlns).*:/, '');
  if (name === '' || name.startsWith('on') || ['style', 'srcset', 'srcdoc', 'imagesrcset'].includes(name))
    return 'unsafe';
  // With `http-equiv` it sends its reader elsewhere.
  if (element === 'meta' && name === 'content') return 'unsafe';
  return addresses.has(name) || /src|uri|url/.test(name) ? 'address' : 'plain';
}

/**
 * Goes on through text of the template: where one is then, and the text without its comments.
 *
 * @param look is shown each attribute as far as it is known
 */
function advance(from: Place, text: string, look?: (place: Place) => void): [Place, string] {
  let place = from;
  let kept = '';
  let rest = text;
  const keep = (length: number) => {
    kept += rest.slice(0, length);
    rest = rest.slice(length);
  };

  while (rest !== '') {
    switch (place.at) {
      case 'text': {
        const tag = /<(?:!--|\/?[a-z])/i.exec(rest);
        if (!tag) keep(rest.length);
        else if (tag[0] === '<!--') {
          keep(tag.index);
          rest = rest.slice(tag[0].length);
          place = { ...place, at: 'comment' };
        } else {
          keep(tag.index + tag[0].length);
          place = { ...between, at: 'tag name', element: tag[0].slice(1).toLowerCase() };
        }
        break;
      }
      case 'comment': {
        const end = rest.indexOf('-->');
        rest = end < 0 ? '' : rest.slice(end + 3);
        if (end >= 0) place = between;
        break;
      }
      case 'tag name': {
        const [more = ''] = /^[^\s/>]*/.exec(rest) ?? [];
        keep(more.length);
        place = { ...place, element: place.element + more.toLowerCase(), at: rest === '' ? 'tag name' : 'tag' };
        break;
      }
      case 'tag':
        if (/^[\s/]/.test(rest)) keep(1);
        else if (rest.startsWith('>')) {
          keep(1);
          place = inside(place.element);
        } else place = { ...place, at: 'name', attribute: '' };
        break;
      case 'name': {
        const [name = ''] = /^[^\s/>=]+/.exec(rest) ?? [];
        keep(name.length);
        place = { ...place, attribute: place.attribute + name };
        if (rest === '') break;
        const [equals] = /^\s*=/.exec(rest) ?? [];
        if (equals) keep(equals.length);
        place = { ...place, at: equals ? 'before value' : 'tag', held: '' };
        break;
      }
      case 'before value': {
        const [blanks = ''] = /^\s+/.exec(rest) ?? [];
        keep(blanks.length);
        const quote = rest.startsWith('"') ? '"' : rest.startsWith("'") ? "'" : '';
        if (rest === '') break;
        if (rest.startsWith('>')) place = { ...place, at: 'tag' };
        else {
          keep(quote.length);
          place = { ...place, at: 'value', quote, held: '' };
        }
        break;
      }
      case 'value': {
        const end = place.quote === '' ? rest.search(/[\s>]/) : rest.indexOf(place.quote);
        const held = end < 0 ? rest : rest.slice(0, end);
        keep(held.length);
        place = { ...place, held: place.held + held };
        look?.(place);
        if (end >= 0) {
          keep(place.quote.length);
          place = { ...place, at: 'tag', attribute: '', quote: '', held: '' };
        }
        break;
      }
      default: {
        const end = rest.toLowerCase().search(new RegExp(`</${place.element}[\\s/>]`));
        if (end < 0) keep(rest.length);
        else {
          keep(end);
          place = between;
        }
      }
    }
  }
  return [place, kept];
}

function inside(element: string): Place {
  if (escapable.has(element)) return { ...between, at: 'escapable', element };
  return raw.has(element) ? { ...between, at: 'raw', element } : between;
}

/** A value where one is: what is written, and where one is then. */
function put(place: Place, text: string): [Place, string] {
  if (place.at === 'text' || place.at === 'escapable') return [place, escaped(text)];
  // In a comment; elsewhere no template that was checked has one.
  if (place.at !== 'before value' && place.at !== 'value') return [place, ''];
  const value: Place = { ...place, at: 'value' };
  const safe = kindOf(place) === 'address' ? addressPart(place.held, text) : text;
  const written = place.quote === '' ? bareOf(place, safe) : escaped(safe);
  return [{ ...value, held: value.held + safe }, written];
}

const SCHEMES = new Set(['http', 'https', 'mailto', 'tel']);

/** What may follow what an address holds so far. */
function addressPart(held: string, text: string): string {
  if (/[?#]/.test(held)) return encodeURIComponent(text.toWellFormed());
  // Browsers pass over blanks and control characters before a scheme and in it.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const [, scheme] = /^([^/?#]*?):/.exec((held + text).replace(/[\x00-\x20\x7f-\xa0]/g, '')) ?? [];
  if (scheme !== undefined && !SCHEMES.has(scheme.toLowerCase())) return '#';
  return text
    .toWellFormed()
    .replace(/%(?![\da-f]{2})|[^\w\-.~!#$&*+,/:;=?@[\]%]/giu, (character) => encodeURIComponent(character));
}

/** Goes through both ways of every condition: a value where none is safe is found, taken or not. */
function check(nodes: readonly Node[], from: Place): Place {
  let place = from;
  for (const node of nodes) {
    if (node.kind === 'text') {
      [place] = advance(place, node.text, (attribute) => refuseScheme(attribute, node.line));
      if (place.at === 'text' && /<(?:\/|!-?)?$/.test(node.text)) {
        throw new TemplateMistake(node.line, 'a tag is cut off after its <.');
      }
    } else if (node.kind === 'value') {
      refuseUnsafe(place, node.line);
      const [then] = put(place, '');
      place = then.at === 'value' ? { ...then, held: `${then.held}${A_VALUE}` } : then;
    } else {
      const [one, other] = [check(node.met, place), check(node.unmet, place)];
      const parts = ['element', 'attribute', 'quote'] as const;
      if (phaseOf(one) !== phaseOf(other) || parts.some((part) => one[part] !== other[part])) {
        const where = `one inside ${placeOf(one)}, one inside ${placeOf(other)}`;
        throw new TemplateMistake(node.line, `the two ways of this condition end in different places, ${where}.`);
      }
      place = { ...(one.held.includes(A_VALUE) ? one : other), at: phaseOf(one) };
    }
  }
  return place;
}

function refuseUnsafe(place: Place, line: number): void {
  const mistake = (where: string) => new TemplateMistake(line, `a value cannot stand inside ${where}.`);
  switch (place.at) {
    case 'tag name':
    case 'tag':
    case 'name':
      throw mistake('a tag but in the value of an attribute');
    case 'raw':
      throw mistake(`<${place.element}>`);
    case 'before value':
    case 'value':
      if (kindOf(place) === 'unsafe') throw mistake(`the attribute ${place.attribute}`);
      if (kindOf(place) === 'address' && /^\s*(?:javascript|vbscript|data):/i.test(place.held)) {
        throw mistake('an address that is a program or a document');
      }
  }
}

/** A scheme is the template's or the value's, and not made of both. */
function refuseScheme(place: Place, line: number): void {
  if (kindOf(place) !== 'address') return;
  const [beginning = ''] = place.held.split(/[/?#]/, 1);
  const value = beginning.indexOf(A_VALUE);
  if (value >= 0 && beginning.includes(':', value)) {
    throw new TemplateMistake(line, 'a value cannot be part of the scheme of an address.');
  }
}

/** `<td` with or without ` class="x"` after it is the same tag. */
const phaseOf = ({ at }: Place) => (at === 'tag name' ? 'tag' : at);

function placeOf({ at, element, attribute }: Place): string {
  switch (at) {
    case 'text':
      return 'the text';
    case 'comment':
      return 'a comment';
    case 'escapable':
    case 'raw':
      return `<${element}>`;
    case 'tag name':
    case 'tag':
      return `the tag <${element}>`;
    default:
      return `the attribute ${attribute} of <${element}>`;
  }
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as HTML, between tags and in quoted attributes. */
export function escaped(text: string): string {
  return text.replaceAll('\0', '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** Text as the value of an attribute without quotes. One that begins with nothing would begin with what comes after it. */
function bareOf({ at }: Place, text: string): string {
  if (text === '' && at === 'before value') return '&#32;';
  return text.replace(/[^A-Za-z0-9]/gu, (character) => `&#${character.codePointAt(0)};`);
}
