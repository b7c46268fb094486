// Where a service can be opened. A scheme is ours, never the network's.

const SCHEMES = new Map([
  ["_http._tcp", "http"], ["_https._tcp", "https"], ["_ipp._tcp", "ipp"], ["_ipps._tcp", "ipps"],
  ["_ssh._tcp", "ssh"], ["_sftp-ssh._tcp", "sftp"], ["_ftp._tcp", "ftp"], ["_smb._tcp", "smb"],
  ["_rfb._tcp", "vnc"], ["_webdav._tcp", "http"], ["_webdavs._tcp", "https"], ["_rtsp._tcp", "rtsp"],
  ["_telnet._tcp", "telnet"], ["_nfs._tcp", "nfs"], ["_afpovertcp._tcp", "afp"], ["_printer._tcp", "lpd"],
]);
const DEFAULTS = new Map([["http", 80], ["https", 443], ["ssh", 22], ["sftp", 22], ["ftp", 21], ["smb", 445], ["ipp", 631], ["ipps", 631]]);
const NAME = /^[\p{L}\p{N}._-]+$/u;

function hostOf(service) {
  const ipv4 = service.addresses.find((address) => /^\d+(\.\d+){3}$/.test(address));
  if (ipv4) return ipv4;
  // A URL has no place for the zone of a link-local address.
  const ipv6 = service.addresses.find((address) => /^[0-9a-f:.]+$/i.test(address) && !/^fe80/i.test(address));
  if (ipv6) return `[${ipv6}]`;
  return service.host && NAME.test(service.host) ? service.host : null;
}

/** The address of a service as text, or null where there is none that may be opened. */
export function urlOf(service) {
  const scheme = SCHEMES.get(service.type);
  const host = hostOf(service);
  if (!scheme || !host || !service.port || service.gone !== null) return null;
  const port = DEFAULTS.get(scheme) === service.port ? "" : `:${service.port}`;
  const key = scheme.startsWith("ipp") ? "rp" : "path";
  const wanted = service.txt.find(([name]) => name.toLowerCase() === key)?.[1] ?? "";
  try {
    const path = encodeURI(wanted.startsWith("/") ? wanted : `/${wanted}`);
    const text = `${scheme}://${host}${port}${scheme === "ssh" || scheme === "vnc" ? "" : path}`;
    // What was asked for must be what is opened, whatever the TXT record has.
    return new URL(text).protocol === `${scheme}:` ? text : null;
  } catch {
    return null;
  }
}
