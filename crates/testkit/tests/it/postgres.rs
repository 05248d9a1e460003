//! The PostgreSQL server.

use anyhow::Result;
use sqlx::{Connection as _, PgConnection};
use testkit::PostgresServer;

#[tokio::test]
async fn a_server_that_was_killed_comes_back_with_its_data() -> Result<()> {
    let server = PostgresServer::start().await?;
    let url = server.database().await?;
    let mut conn = PgConnection::connect(&url).await?;
    sqlx::query("create table kept (n bigint)").execute(&mut conn).await?;
    sqlx::query("insert into kept values (7)").execute(&mut conn).await?;
    server.kill().await?;
    assert!(PgConnection::connect(&url).await.is_err(), "it is dead");
    server.restart().await?;
    let mut conn = PgConnection::connect(&url).await?;
    let n: i64 = sqlx::query_scalar("select n from kept").fetch_one(&mut conn).await?;
    assert_eq!(n, 7);
    Ok(())
}

#[tokio::test]
async fn each_database_is_empty() -> Result<()> {
    let server = PostgresServer::shared().await?;
    for url in [server.database().await?, server.database().await?] {
        let mut conn = PgConnection::connect(&url).await?;
        sqlx::query("create table mine (n bigint)").execute(&mut conn).await?;
    }
    Ok(())
}
