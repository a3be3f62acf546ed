/** What the questions about a catalogue share: how a thing is named, and what is left out. */

/** What an extension made is the extension's. */
export const notOfAnExtension = (catalogue: string, oid: string) =>
  `not exists (select from pg_depend as e where e.classid = '${catalogue}'::regclass and e.objid = ${oid} and e.deptype = 'e')`;

/** The name of relation `c` in schema `n`, and the same with its kind: what a column or a trigger hangs on. */
export const relation = `format('%I.%I', n.nspname, c.relname)`;
export const relationAsParent = `case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence '
                               else 'table ' end || ${relation}`;
export const schemaAsParent = `format('schema %I', n.nspname)`;
export const on = (name: string) => `format('%I on %s', ${name}, ${relation})`;
export const role = (oid: string) => `pg_get_userbyid(${oid})::text`;
export const sorted = (array: string) => `array(select unnest(${array}) order by 1)`;
export const qualified = {
  collation: (oid: string) =>
    `(select format('%I.%I', s.nspname, o.collname) from pg_collation as o join pg_namespace as s on s.oid = o.collnamespace where o.oid = ${oid})`,
  operatorClass: (oid: string) =>
    `(select format('%I.%I', s.nspname, o.opcname) from pg_opclass as o join pg_namespace as s on s.oid = o.opcnamespace where o.oid = ${oid})`,
};
/** Options that may hold a key: each with the hash of its value, which nobody reads here. */
export const hashed = (options: string) => `
  array(select o.option_name || '=' || encode(sha256(convert_to(o.option_value, 'UTF8')), 'hex')
          from pg_options_to_table(${options}) as o order by 1)`;
/** What somebody made, and initdb did not. */
export const made = (oid: string) => `${oid} >= 16384`;
/** NULL where no function is set. */
export const functionName = (regproc: string) => `nullif(${regproc}::oid, 0)::regprocedure::text`;

/** The relation of that oid with its kind. */
export const relationAsParentOf = (oid: string) =>
  `(select ${relationAsParent} from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = ${oid})`;
