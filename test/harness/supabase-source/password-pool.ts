/**
 * Real hashes of known passwords, some for every format that Supabase Auth accepts (contract §5): bcrypt with each minor
 * letter and a weak cost, argon2 in both kinds, Firebase's scrypt. The first of Firebase's is the example that Firebase
 * publishes; the others were made with bcrypt, argon2 and scrypt as the format's name says.
 */
export interface KnownPassword {
  password: string;
  encrypted_password: string;
}

export const passwordPool = {
  bcrypt_2a_10: [
    {
      password: 'portal-Harbour-17',
      encrypted_password: '$2a$10$O/h6ARdpKP7vXWxHSj.Jv.4kzFmq676Ae1nfgIpv/Betlll0Wz5ae',
    },
    {
      password: 'portal-Lantern-42',
      encrypted_password: '$2a$10$VEDMkDaWpbMJIdcVPYd6Eeo4yYZGbHoNYGHGyntRqRBnDLDa.JWt6',
    },
    {
      password: 'portal-Meadow-63',
      encrypted_password: '$2a$10$mOwbWymCdTMDW5Tx1RTpven9kXMbG2JOstSj2RevLhi6dyor78juO',
    },
    {
      password: 'portal-Quarry-88',
      encrypted_password: '$2a$10$NjR/qiRfY40HysZLS1yWT.g7nCV1MzTYpRJ/b/shDIlvaWhIFEHkC',
    },
    {
      password: 'portal-Willow-05',
      encrypted_password: '$2a$10$hxzcaY8T3Qs.wNYhIGmit.HU246GQBN39.go6j.u6vQBANN3DKjqm',
    },
    {
      password: 'portal-Copper-29',
      encrypted_password: '$2a$10$rYiJnt7DYVhrls4O81z4yOc6lpcrV49Cjb23Nk.KGsWNZi9/hvybu',
    },
    {
      password: 'portal-Juniper-71',
      encrypted_password: '$2a$10$Z1Bzpo4/TzFlbpELOuBpLOgXUkEJJH2uo5b2nLbGOtggMvz/rWCI6',
    },
    {
      password: 'portal-Saffron-36',
      encrypted_password: '$2a$10$dFP4FwydqNYNTCdZa/L1LeYGDoG7bcsa9iSxWTbFj2hhdWVhn.Ur6',
    },
  ],
  bcrypt_2a_06: [
    {
      password: 'seed-file-Password1',
      encrypted_password: '$2a$06$S1KQFLbsgdsACAU4WaSqlOoEmISYl910m7qAZQ79zeBkmQd0hOzTS',
    },
    {
      password: 'seed-file-Password2',
      encrypted_password: '$2a$06$vV5ePFwJsoTcHacpbWK8vuYhq7UoNdyp0zcOQDeTMhSO0arKnmL1S',
    },
  ],
  bcrypt_2b: [
    {
      password: 'imported-2b-Password',
      encrypted_password: '$2b$10$.6/onBmAlnwh.RXHnDDlP.vJsbgbqtMcBhdaMXfur0BjhUoZbGwpO',
    },
    {
      password: 'imported-2b-cost12-Password',
      encrypted_password: '$2b$12$NJEh6SXKoYm3s/AHG5SNnuq/0RAptpp2gFwdkRuTZWlR9osltmC5G',
    },
  ],
  bcrypt_2y: [
    {
      password: 'imported-2y-Password',
      encrypted_password: '$2y$10$TEdqKoiCNgQWaunLogve1.PaNA4SJYx5HnwNWuFwgOGKRZUKNpC.W',
    },
  ],
  argon2id: [
    {
      password: 'imported-argon2id-Password1',
      encrypted_password:
        '$argon2id$v=19$m=65536,t=3,p=2$LdsleOdWKa8ZjkxF0pnxtQ$bwSeRy4lubhoGuOs+z844tAYC/zz4OBw8JMQjT2YDTk',
    },
    {
      password: 'imported-argon2id-Password2',
      encrypted_password:
        '$argon2id$v=19$m=65536,t=3,p=2$K4uXplJGo1U3S8RJzu+SAw$2bYXplVUc/1ZkDONU/r91/95ZfcpVSe93W10rnAJhDk',
    },
  ],
  argon2i: [
    {
      password: 'imported-argon2i-Password1',
      encrypted_password:
        '$argon2i$v=19$m=4096,t=3,p=1$ilVuBQFZA1VqXvaRyE88nA$Cy0Q63rDjWBmrnoKppJDu6iqb1DbvevuEHsvjV0/4dU',
    },
    {
      password: 'imported-argon2i-Password2',
      encrypted_password:
        '$argon2i$v=19$m=4096,t=3,p=1$8R0kHiwKu1TL0CsOy53k+Q$9Va2jyKGE7Zjw7wJ9UQ6motkIO/EL9UdnpTRJ1rtPCQ',
    },
  ],
  fbscrypt: [
    {
      password: 'user1password',
      encrypted_password:
        '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
    },
    {
      password: 'imported-firebase-Password',
      encrypted_password:
        '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$9xXqLbQ0yWfHkw==$6pPQk6hChQYKT6wEzmDZ52gb504ljnLSIdX0xM1J8iH1AaCXYspZnkVw5n2EY/KBQPNw0G7QB18hXypxI85YTQ==',
    },
  ],
  bcrypt_over_72_bytes: [
    {
      password:
        'seventy-two bytes and then some: 012345678901234567890123456789012345678901234567890123456789 tail that bcrypt never reads',
      encrypted_password: '$2a$10$IWrflkZ76vMTccIJC.RknuAvVec.756IZ8olH7H1B2fekEwAB2wtW',
    },
  ],
  bcrypt_multibyte: [
    {
      password: 'Grüße aus Zürich, 日本語 und 🦊',
      encrypted_password: '$2a$10$tY0u1kRMpZiOFMAz/Zzva.ivbpTS8IT/yGMNsWaCTh4Gp8Mps5M9m',
    },
  ],
} as const satisfies Record<string, readonly KnownPassword[]>;
