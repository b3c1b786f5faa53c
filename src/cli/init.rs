//! `herenow init`: a configuration that is safe on a network, with a secret and a certificate of its own.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use herenow::tls::fingerprint_of;
use herenow_client::address::{Address, Security};
use rcgen::{CertificateParams, DnType, KeyPair};

use super::args::Init;
use super::output::print;
use super::{Exit, Failure};

/// What every server here is called; names are not what clients go by.
const COMMON_NAME: &str = "herenow";

const CONFIGURATION: &str = "herenow.toml";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const SECRET: &str = "secret";

/// Makes the files and says what to do with them.
#[expect(clippy::unused_async, reason = "every command is run alike")]
pub(crate) async fn run(arguments: Init) -> Result<(), Failure> {
    let host = match arguments.host {
        Some(host) => host,
        None => host_name()?,
    };
    let folder =
        std::path::absolute(&arguments.folder).map_err(|e| failed(&arguments.folder, &e))?;
    let (certificate, key) = certificate(&host)?;
    let fingerprint = fingerprint_of(certificate.der());
    let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    write_all(
        &folder,
        &[
            (SECRET, &format!("{secret}\n")),
            (KEY, &key.serialize_pem()),
            (CERTIFICATE, &certificate.pem()),
            (CONFIGURATION, &configuration(&folder, arguments.port)),
        ],
    )?;
    let security = Security::Tls(Some(fingerprint));
    let address = Address { host, port: arguments.port, security }.to_string();
    let login = address.replacen("tls://", &format!("tls://{secret}@"), 1);
    let server = address.split('#').next().unwrap_or_default();
    let place = folder.join(CONFIGURATION);
    print(&format!(
        "Wrote {place}, with a certificate and a secret beside it.\n\n\
         Start the server:\n  \
         herenow serve --config {place}\n\n\
         On each client, once; whoever has this line can come in:\n  \
         herenow login --server {login}\n\n\
         Then, in the window too, its address is {server}\n",
        place = place.display()
    ));
    Ok(())
}

fn certificate(host: &str) -> Result<(rcgen::Certificate, KeyPair), Failure> {
    let internal = |error: rcgen::Error| Failure::internal(&error);
    let mut params = CertificateParams::new([host.to_owned()])
        .map_err(|error| Failure::new(Exit::Usage, format!("{host} is no host: {error}")))?;
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    let key = KeyPair::generate().map_err(internal)?;
    let certificate = params.self_signed(&key).map_err(internal)?;
    Ok((certificate, key))
}

fn configuration(folder: &Path, port: u16) -> String {
    let quoted =
        |name: &str| toml::Value::from(folder.join(name).display().to_string()).to_string();
    format!(
        "# Made by `herenow init`; `herenow print-config` shows every key.\n\n\
         [tls]\n\
         listen = \"0.0.0.0:{port}\"\n\
         certificate = {}\n\
         key = {}\n\n\
         [auth]\n\
         mode = \"secret\"\n\
         secret_file = {}\n",
        quoted(CERTIFICATE),
        quoted(KEY),
        quoted(SECRET)
    )
}

/// Writes all files or none; one that is there already is not touched.
fn write_all(folder: &Path, files: &[(&str, &str)]) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| failed(folder, &error))?;
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, text) in files {
        let file = folder.join(name);
        if let Err(error) = write_new(&file, text) {
            // What was made a moment ago is good for nothing without the rest.
            written.iter().for_each(|file| drop(fs::remove_file(file)));
            return Err(failed(&file, &error));
        }
        written.push(file);
    }
    Ok(())
}

fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut writer = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writer.write_all(text.as_bytes())?;
    writer.sync_all()
}

fn failed(file: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::AlreadyExists => "; nothing is overwritten, so choose another folder",
        _ => "",
    };
    Failure::new(Exit::Refused, format!("{}: {error}{advice}", file.display()))
}

fn host_name() -> Result<String, Failure> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => {
            Err(Failure::new(Exit::Usage, "how do clients call this computer? Say it with --host"))
        }
        name => Ok(name.to_owned()),
    }
}
