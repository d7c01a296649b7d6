//! Findings: what can be wrong, how bad each is, and why it hurts.
//!
//! Owns: the closed list of codes. Leaves: when one applies to `rules`, how it is shown to `render`.

use std::path::PathBuf;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, could be better.
    Hint,
    /// Works today, will hurt.
    Warning,
    /// Does not work, loses data, or lets others in.
    Error,
}

impl Severity {
    /// `error`, `warning` or `hint`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Where in a file something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1; none where it is the file as a whole.
    pub at: Option<(usize, usize)>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// How bad it is; of the configuration's problems as they say themselves.
    pub severity: Severity,
    /// What it was found at: a URL, a name, a target, a service of a compose file.
    pub subject: String,
    /// What was seen.
    pub evidence: String,
    /// Where to change it, where that can be read.
    pub place: Option<Place>,
    /// What to write there.
    pub change: String,
}

impl Finding {
    /// With the code's own severity and no place.
    pub(super) fn new(
        code: Code,
        subject: impl Into<String>,
        evidence: impl Into<String>,
        change: impl Into<String>,
    ) -> Self {
        let (subject, evidence, change) = (subject.into(), evidence.into(), change.into());
        Self { code, severity: code.severity(), subject, evidence, place: None, change }
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

/// Something that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What.
    pub what: &'static str,
    /// Why not.
    pub why: String,
}

macro_rules! codes {
    ($($code:ident $name:literal $severity:ident $what:literal $why:literal)*) => {
        /// What can be found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $what] $code,)*
        }

        impl Code {
            /// All of them, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// Its name, which does not change: programs may rely on it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }

            /// What it is, in a few words.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$code => $what,)* }
            }

            /// Why it hurts.
            #[must_use]
            pub const fn why(self) -> &'static str {
                match self { $(Self::$code => $why,)* }
            }
        }
    };
}

codes! {
    Configuration "configuration" Error "proxy.conf is wrong or worth a look"
        "a proxy that does not start serves nobody"
    NameUnresolved "name-unresolved" Error "a name has no address"
        "nobody can reach the service under it"
    NamesApart "names-apart" Hint "the three names lead to different machines"
        "usually one of them is left over from a move"
    PortClosed "port-closed" Error "nobody answers at the port"
        "a firewall, a missing port mapping, or a proxy that is not running: clients wait for ever"
    NotTls "not-tls" Error "the https port speaks no TLS"
        "clients give up at the handshake"
    TlsFailed "tls-failed" Error "the TLS handshake fails"
        "the SDK tries again ten times a second and looks as if it hung"
    CertificateExpired "certificate-expired" Error "the certificate is out of date"
        "the SDK tries again for ever; browsers show a warning"
    CertificateNotYet "certificate-not-yet" Error "the certificate is not valid yet"
        "clients refuse it; often the clock of one side is wrong"
    CertificateExpires "certificate-expires" Warning "the certificate ends within two weeks"
        "renewal should have happened by now"
    CertificateName "certificate-name" Error "the certificate is for other names"
        "clients refuse it; the web UI says that the server is unavailable, because only its API call fails"
    WildcardLevel "wildcard-level" Error "a wildcard certificate does not reach this far down"
        "*.example.com covers app.example.com, not app.clearml.example.com"
    CertificateIncomplete "certificate-incomplete" Error "the certificate comes without its issuer"
        "browsers often know the intermediate, Python never does: the SDK hangs while the web UI works"
    CertificateSelfSigned "certificate-self-signed" Error "the certificate signed itself"
        "the SDK tries again for ever unless it is told to trust exactly this certificate"
    CertificateUntrusted "certificate-untrusted" Error "nobody knows the authority of the certificate"
        "the SDK tries again for ever until it is given the authority's file"
    CertificateSystemOnly "certificate-system-only" Warning "only this system's own list has the authority"
        "Python's requests, and with it the SDK, brings a list of its own and refuses the certificate"
    HttpUploadLost "http-upload-lost" Error "an upload over http is redirected into a GET"
        "the SDK turns it into GET /, gets 200 and reports success: nothing is stored, and nobody is told"
    HttpUploadRedirected "http-upload-redirected" Warning "an upload over http is redirected"
        "the SDK has used up its stream by then and waits for its timeout before it fails"
    HttpUploadAccepted "http-upload-accepted" Error "files are taken over plain http"
        "tokens and models cross the network unprotected"
    HttpCallLost "http-call-lost" Error "an API call over http is redirected without its body"
        "301, 302 and 303 drop the body: the call arrives empty, or as another one"
    HttpPageNotLed "http-page-not-led" Hint "http does not lead to https"
        "people who type the bare name see an error or an unprotected page"
    WrongService "wrong-service" Error "another service answers here"
        "the SDK says that api_server is misconfigured, or uploads are refused"
    ServiceUnavailable "service-unavailable" Error "the service does not answer through the proxy"
        "training waits or fails, the web UI shows an empty login"
    ProxyLostTarget "proxy-lost-target" Error "the proxy does not find a service that is up"
        "it looked the container's address up once and did not notice that it changed"
    GetBodyRefused "get-body-refused" Error "a GET with a body is refused"
        "the SDK sends every API call as GET with a JSON body"
    GetBodyDropped "get-body-dropped" Error "the body of a GET gets lost on the way"
        "the API server sees empty calls: wrong results instead of errors"
    BodyLimitFiles "body-limit-files" Error "uploads have a size limit"
        "models and artifacts above it are answered 413 and lost"
    BodyLimitApi "body-limit-api" Error "API calls have a small size limit"
        "batches of events have up to 15 MiB; plots and console logs go missing"
    FilesPath "files-path" Error "uploads to the file server's exact URL do not arrive"
        "the SDK posts to files_server as it stands, without a slash behind it"
    AppPaths "app-paths" Warning "the web UI's host does not pass on /api and /files"
        "report widgets, plot images and report uploads ask there"
    UiGuess "ui-guess" Error "the web UI looks for the API in the wrong place"
        "it shows no password box, or says that the server is unavailable"
    UiFiles "ui-files" Warning "the web UI does not know the file server's URL"
        "the credentials dialog shows a wrong or no files_server; images bypass its own path"
    UiConfiguration "ui-configuration" Error "the web UI's configuration.json is no JSON object"
        "the UI does not start: a blank page"
    CookieHostOnly "cookie-host-only" Error "the login cookie is for the API's host alone"
        "images, plots, debug samples and artifacts are answered 401 although people are signed in"
    CookieDomain "cookie-domain" Error "the login cookie is for another domain"
        "browsers drop it: people come back to the login page again and again"
    CookieNotSecure "cookie-not-secure" Hint "the login cookie is sent over http as well"
        "one plain request shows it to everybody on the way"
    CookieConf "cookie-conf" Error "apiserver.conf names a cookie domain that does not fit the hosts"
        "browsers drop the cookie: people come back to the login page again and again"
    HostRewritten "host-rewritten" Error "the proxy sends another Host to the API"
        "the API server picks the cookie's domain by it, and picks none"
    CorsRefused "cors-refused" Error "the browser's question before an API call is refused"
        "the web UI sees a network error and shows nothing"
    CorsMissing "cors-missing" Error "the API's answers may not be read by the web UI"
        "the browser hides them: a CORS error, whatever the real one is"
    CorsDoubled "cors-doubled" Error "the API and the proxy both add CORS fields"
        "browsers refuse an answer with two Access-Control-Allow-Origin"
    ProxyLogin "proxy-login" Error "the proxy asks for a login of its own"
        "the web UI and the SDK send Authorization themselves: nobody gets in"
    FixedUsersOff "fixed-users-off" Warning "there are no passwords"
        "whoever reaches the web UI is in, as anybody"
    FixedUsers "fixed-users" Error "the list of fixed users is wrong"
        "somebody cannot sign in, or the server does not start"
    FilesOpen "files-open" Warning "files need no login"
        "whoever knows or guesses a URL reads, overwrites or deletes files"
    PublishedKey "published-key" Error "a login from ClearML's own sources opens this server"
        "whoever has read them is in"
    PublishedSecret "published-secret" Error "login tokens are signed with a secret from ClearML's own sources"
        "anybody can make a token for any user, passwords or not"
    ServerErrors "server-errors" Warning "the API server reports trouble with its database"
        "experiments and plots are missing or calls fail"
    PlainPortOpen "plain-port-open" Warning "a service can be reached past the proxy, in plain http"
        "it bypasses TLS and every check at the edge"
    TargetDown "target-down" Error "a target does not answer"
        "requests for its service wait, then get 503"
    TargetWrong "target-wrong" Error "a target is another service"
        "the SDK says that api_server is misconfigured, or uploads are refused"
    TargetLoop "target-loop" Error "a target is a proxy again"
        "requests go in circles"
    TargetRedirects "target-redirects" Error "a target leads back to https"
        "browsers see too many redirects, uploads are lost"
    ComposePlainPort "compose-plain-port" Warning "the compose file publishes a plain port to everybody"
        "it bypasses TLS and every check at the edge, and Docker's rules come before the firewall's"
    ComposeDatabasePort "compose-database-port" Error "the compose file publishes a database to everybody"
        "ClearML's databases have no passwords"
    ComposeWebSetting "compose-web-setting" Error "a WEBSERVER__ variable is no JSON"
        "the web server's container stops at its start"
    ComposeInternalUrl "compose-internal-url" Warning "tasks are given URLs that only work inside"
        "they are stored with each task and lead nowhere from a browser or another machine"
    ComposeDeletePrefix "compose-delete-prefix" Warning "stored files will not be deleted"
        "files go with their task only where their URL begins with a listed prefix"
    HstsSubdomains "hsts-subdomains" Warning "browsers are told to use https for every name and port below the web UI's host"
        "links to plain ports, as old tasks have them, stop working for a year"
    ClockSkew "clock-skew" Warning "the clocks differ"
        "tokens and certificates seem to be from the future or out of date"
    OpenFiles "open-files" Hint "few files may be open at once"
        "each connection takes two; a proxy that runs out accepts nobody for a while"
    UploadFailed "upload-failed" Error "a test file does not go through"
        "neither will models and artifacts"
    UploadChanged "upload-changed" Error "a test file came back changed"
        "something on the way alters bodies"
    UploadKept "upload-kept" Warning "a test file could not be deleted"
        "it is left on the file server"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_sayings_are_short() {
        let names = Code::ALL.iter().map(|code| code.as_str()).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let name = code.as_str();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert!(!code.what().ends_with('.') && !code.why().ends_with('.') && !code.what().contains('|'), "{name}");
        }
    }
}
