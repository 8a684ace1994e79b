// Spellings of `/login` and of paths below `/admin`, for one server or another.

/** Each is a protected path for at least one of the servers of `path-servers.ts`. */
export const spellings = `
  /login /LOGIN /Login /login/ /login?x /login? /login/?x=/open /%6cogin /%6Cogin /%6c%6f%67%69%6e /logi%6e
  /l%4Fgin //login ///login /./login /././login /x/../login /x/y/../../login /../login /../../login
  /%2e/login /%2e%2e/login /%2E%2E/login /x/%2e%2e/login /x/.%2e/login /x/%2e./login /x/..%2flogin
  /x/..%2Flogin /x%2f../login /x%2f..%2flogin /open/../login /open/%2e%2e/login /open/..%2flogin
  /open%2f..%2flogin /open/..;/login /open/..;a=b/login /open/.;/../login /login; /login;a=b /login;a=b/
  /login;/ /;/login /;a=b/login /x;/../login /%2flogin /%2Flogin /%2f%2flogin /login%2f /login%2F //login//
  /login%00 /login%00.png /login%00/x /%5clogin /%5Clogin /x/..%5clogin /open%5c..%5clogin /login/.
  /login/./ /login/x/.. /login/%2e /login%2f. /login/;x //a.test/login //a.test:80/login /admin /admin/
  /admin/x /ADMIN/x /Admin /%61dmin/x /admin%2fx /admin%2Fx //admin/x /admin//x /./admin/x /x/../admin/x
  /open/../admin/x /open/%2e%2e/admin/x /open/..%2fadmin%2fx /admin;a=b/x /admin;/x /admin/;a=b /admin/x?y
  /admin/../admin/x /admin/x/../../admin /%2fadmin/x /%5cadmin%5cx /admin%5cx /admin/login /admin/../login
  /login/../admin/x /admin/x%00 /admin/..;/login
`
  .trim()
  .split(/\s+/);
