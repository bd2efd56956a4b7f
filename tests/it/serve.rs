//! The program itself: what it prints, what it says when it cannot start, and what is left of it after kill -9.

mod connections;

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A running `scimlet serve`.
pub struct Server {
    child: Child,
    base_url: String,
    token: String,
    curl: String,
}

pub fn scimlet(arguments: &[&str], folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scimlet"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in [
        "AWS_REGION",
        "SCIM_ENABLED",
        "SCIM_TOKEN",
        "SCIM_TOKEN_SHA256",
        "DYNAMODB_ENDPOINT",
        "TABLE_NAME",
        "SCIM_BASE_URL",
    ] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

impl Server {
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_with_log(folder, variables, Stdio::null())
    }

    fn start_with_log(folder: &Path, variables: &[(&str, &str)], log: Stdio) -> Self {
        let mut command = scimlet(&["serve", "--listen", "127.0.0.1:0"], folder, variables);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines: Vec<String> =
            BufReader::new(child.stdout.take().unwrap()).lines().take(5).map(Result::unwrap).collect();
        let last = |line: &str| line.split_whitespace().last().unwrap().to_owned();
        Self { child, base_url: last(&lines[0]), token: last(&lines[1]), curl: lines[4].clone() }
    }

    /// Status and body; `None` when the server is gone.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let (host, mount) = self.base_url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(host).ok()?;
        let request = format!(
            "{method} /{mount}{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
             content-type: application/scim+json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.base_url.strip_prefix("http://").unwrap().split('/').next().unwrap()
    }

    /// Where a path below the base URL is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// What is sent from now on has this token.
    pub fn set_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, None).unwrap()
    }

    /// SIGKILL: nothing can be tidied up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

fn failure(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn it_prints_the_base_url_the_token_and_a_curl_line_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert!(server.base_url.ends_with("/scim/v2"), "{}", server.base_url);
    assert_eq!(server.token.len(), 64, "256 bits");
    let expected = format!("  curl -H 'Authorization: Bearer {}' '{}/Users'", server.token, server.base_url);
    assert_eq!(server.curl, expected);
    let (status, list) = server.get("/Users");
    assert_eq!((status, &list["totalResults"]), (200, &json!(0)));
    assert!(folder.path().join(".scimlet/table.db").exists());

    let given = Server::start(tempfile::tempdir().unwrap().path(), &[("SCIM_TOKEN", "mine")]);
    assert_eq!(given.token, "mine");
    assert_eq!(given.get("/Users").0, 200);
}

#[test]
fn what_keeps_it_from_starting_is_one_sentence_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let inside_a_file = file.join("data").display().to_string();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    let nobody = "http://127.0.0.1:9";
    for (arguments, variables, expected) in [
        (vec!["--listen", &taken], vec![], vec!["Cannot listen on", "--listen"]),
        (vec!["--listen", free, "--data-dir", &inside_a_file], vec![], vec!["Cannot keep data in", "--data-dir"]),
        (
            vec!["--listen", free],
            vec![("DYNAMODB_ENDPOINT", nobody)],
            vec!["DYNAMODB_ENDPOINT http://127.0.0.1:9", "refused", "unset DYNAMODB_ENDPOINT"],
        ),
        (vec!["--listen", free], vec![("SCIM_TOKEN_SHA256", "x")], vec!["SCIM_TOKEN_SHA256", "label:digest"]),
    ] {
        let output = scimlet(&arguments, folder.path(), &variables).output().unwrap();
        let message = failure(&output);
        assert!(expected.iter().all(|part| message.contains(part)), "{message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    }
}

#[test]
fn the_token_command_prints_a_digest_that_the_configuration_takes() {
    let folder = tempfile::tempdir().unwrap();
    let output = scimlet(&["token", "entra"], folder.path(), &[]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (token, digest) = (lines[1], lines[3]);
    let mut server = Server::start(folder.path(), &[("SCIM_TOKEN_SHA256", digest)]);
    token.clone_into(&mut server.token);
    assert_eq!(server.get("/Users").0, 200);
    "another".clone_into(&mut server.token);
    assert_eq!(server.get("/Users").0, 401);
}

/// RFC 7643 section 9, RFC 7644 section 7.5.
#[test]
fn no_password_token_or_personal_text_reaches_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let variables = [("SCIM_TOKEN", "secret-token")];
    let mut server = Server::start_with_log(folder.path(), &variables, std::fs::File::create(&log).unwrap().into());
    let user = json!({ "userName": "secret-name", "displayName": "secret label", "password": "secret-pass" });
    let id = server.send("POST", "/Users", Some(&user)).unwrap().1["id"].as_str().unwrap().to_owned();
    let path = format!("/Users/{id}");
    let patch = |operation: Value| json!({ "Operations": [operation] });
    let password = patch(json!({ "op": "Replace", "path": "password", "value": "secret-pass" }));
    let wrong = patch(json!({ "op": "replace", "path": "title", "value": { "secret-key": 1 } }));
    // Unknown members are named in the log; what cannot be an id is not, as it may be an e-mail address.
    let unknown = "6c5bb468-14b2-4183-baf2-06d523e03bd3";
    let group = json!({ "displayName": "secret team", "members": [
        { "value": id }, { "value": unknown }, { "value": "secret-member@example.com" },
    ]});
    let bulk = json!({ "Operations": [
        { "method": "PUT", "path": path, "data": { "userName": "secret-name" } },
    ]});
    for (method, path, body, status) in [
        ("POST", "/Groups", Some(&group), 201),
        ("POST", "/Bulk", Some(&bulk), 200),
        ("POST", "/Users", Some(&user), 409),
        ("PUT", path.as_str(), Some(&user), 200),
        ("PATCH", &path, Some(&password), 200),
        ("PATCH", &path, Some(&wrong), 400),
        ("GET", "/Users?filter=userName%20eq%20%22secret-name%22", None, 200),
        ("GET", "/Users?filter=emails%20eq%20%22secret-mail%22%20or", None, 400),
        ("GET", "/Users/secret-id", None, 404),
    ] {
        assert_eq!(server.send(method, path, body).unwrap().0, status, "{method} {path}");
    }
    "secret-other-token".clone_into(&mut server.token);
    assert_eq!(server.get("/Users").0, 401);
    server.kill();
    let text = std::fs::read_to_string(log).unwrap();
    assert_eq!(text.lines().count(), 11, "a line a request: {text}");
    assert!(text.contains(unknown), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn every_acknowledged_user_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    for round in 0..3 {
        let server = Server::start(folder.path(), &[]);
        let (killed, kill) = std::sync::mpsc::channel();
        let created = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|writer| {
                    let (server, killed) = (&server, killed.clone());
                    scope.spawn(move || {
                        let mut created = Vec::new();
                        for number in 0..1000 {
                            let name = format!("user-{round}-{writer}-{number}@example.com");
                            // None: the server is gone, as it shall be. Any other answer than 201 is wrong.
                            let Some((status, user)) =
                                server.send("POST", "/Users", Some(&json!({ "userName": name })))
                            else {
                                break;
                            };
                            assert_eq!(status, 201, "{user}");
                            created.push((user["id"].as_str().unwrap().to_owned(), name));
                            if number == 15 {
                                let _killed_already = killed.send(());
                            }
                        }
                        created
                    })
                })
                .collect();
            drop(killed);
            // In the middle of what the writers are doing; at once when they all ended early.
            let _ended_early = kill.recv();
            let pid = server.child.id().to_string();
            assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(created.len() > 15);
        acknowledged.extend(created);
        server.kill();
    }

    let server = Server::start(folder.path(), &[]);
    let mut listed = Vec::new();
    let (_, first) = server.get("/Users?count=0");
    let total = first["totalResults"].as_u64().unwrap() as usize;
    while listed.len() < total {
        let (_, page) = server.get(&format!("/Users?startIndex={}", listed.len() + 1));
        let ids = page["Resources"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned());
        let before = listed.len();
        listed.extend(ids);
        assert!(listed.len() > before, "totalResults says {total}, the list has {before}");
    }
    assert_eq!(listed.len(), total);
    for (id, name) in &acknowledged {
        assert!(listed.contains(id), "{name} is not in the list");
        assert_eq!(server.get(&format!("/Users/{id}")).1["userName"], json!(name));
        let (_, found) = server.get(&format!("/Users?filter=userName+eq+%22{name}%22"));
        assert_eq!(found["Resources"][0]["id"], json!(id), "{name} is not found");
    }
    // A user of whom the client never heard may be there: the answer was lost, not the user.
    assert!(total >= acknowledged.len());
}
