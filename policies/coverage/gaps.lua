-- Where this view of the network has a hole: named, so that silence is not taken for absence.
policy {
  title = "Coverage gaps", version = "2",
  description = "Encrypted ClientHello, encrypted DNS, and handshakes that were not captured.",
}

-- Public names of ECH services: the true name is inside (RFC 9849). Browsers send a dummy ECH extension
-- to every server (GREASE), so that beside a name of its own the extension is only counted. Its forerunner
-- (ESNI) left no name at all.
rule "ai.coverage.ech" {
  title = "Server name hidden by ECH", severity = "info", type = "coverage",
  confidence = 80,
  on = "flow.classified",
  match = {
    any = {
      { host = { suffix = { "cloudflare-ech.com" } }, host_source = "sni" },
      { hello = "ech", host = { set = false }, dst_scope = "public" },
    },
  },
  finding = function(flow)
    return { summary = ("The server name is encrypted; only %s is seen"):format(flow.host or flow.dst_ip) }
  end,
  throttle = { by = { "src_ip", "host" }, every = "1d" },
}

rule "ai.coverage.ech_extension" {
  title = "ClientHello with an ECH extension", severity = "info", type = "coverage",
  confidence = 30,
  on = "flow.classified", action = "observe",
  match = { hello = "ech", host = { set = true, none = { "cloudflare-ech.com" } } },
  throttle = { by = { "src_ip", "host" }, every = "1d" },
}

-- Over HTTPS the resolver's name tells; over TLS and QUIC the port (RFC 7858, RFC 9250) does, and nDPI
-- knows some by their ALPN or address.
rule "ai.coverage.encrypted_dns" {
  title = "Encrypted DNS resolver used", severity = "info", type = "coverage",
  confidence = 80,
  on = "flow.classified",
  match = {
    any = {
      {
        host = { suffix = {
          "dns.google", "cloudflare-dns.com", "one.one.one.one", "dns.quad9.net", "doh.opendns.com",
          "dns.nextdns.io", "dns.adguard-dns.com", "dns.adguard.com", "doh.cleanbrowsing.org",
          "dns.mullvad.net",
        } },
        host_source = { "sni", "http" },
      },
      { dst_port = 853, hello = { set = true } },
      { ndpi_app = "DoH_DoT" },
    },
  },
  finding = function(flow)
    return {
      summary = ("Encrypted DNS to %s: names asked for are not seen"):format(flow.host or flow.dst_ip),
    }
  end,
  throttle = { by = { "src_ip", "host" }, every = "1d" },
}

-- The name comes from an earlier DNS answer; the handshake that would confirm it was not read.
rule "ai.coverage.unconfirmed" {
  title = "Address of an AI service, handshake not seen",
  severity = "low", type = "coverage", confidence = 50,
  on = { "flow.classified", "flow.end" },
  match = {
    service = { conclusive = true }, host_source = "inferred", hello = { "missed", "no_sni" },
  },
  finding = function(flow)
    return {
      summary = ("%s is an address of %s by an earlier look-up; its server name was not seen"):format(
        flow.dst_ip, flow.service.name),
    }
  end,
  throttle = { by = { "src_ip", "service.id" }, every = "1h" },
  tags = { "atlas:AML.T0047" },
}
